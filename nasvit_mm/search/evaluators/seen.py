"""Which images judge, how many at once, and metrics that judge by these alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS
from torch import Tensor

from nasvit_mm.errors import UsageError

# Metrics of mmdet, by name, so that it need not be installed where there are no detectors.
BY_IMAGE_IDS = ('CocoMetric', 'LVISMetric')  # by those of their ann_file, or whose ids they get
BY_IMAGE = 'CocoPanopticMetric'  # image by image, unless it writes its results to files
FILE = 'ann_file'
MOST = 64  # images of a batch
PIXELS = 2**20  # of all of them
IMAGES = 'images'  # a look tells how many it saw, as SPLIT/images


def share_of(
    batches: Sequence[Sequence[int]], share: float, asking: str = 'halving'
) -> list[list[int]]:
    """Return a share of the images, at least one, taken evenly from all, in batches of their size.

    Args:
        batches: indices of the images.
        share: between 0 and 1.
        asking: option that asks for it.

    Raises:
        UsageError: there are so few images that it would be all of them.
    """
    images = [i for batch in batches for i in batch]
    number, size = max(1, round(share * len(images))), len(batches[0])
    if number == len(images):
        raise UsageError(
            f'a share of {share:g} of {len(images)} images is all of them: leave {asking} out of '
            'the config, or take more images'
        )
    taken = [images[(2 * i + 1) * len(images) // (2 * number)] for i in range(number)]
    return [taken[i : i + size] for i in range(0, number, size)]


def larger_batch(batches: Iterable[Mapping[str, Any]]) -> int | None:
    """Return how many images may be judged at once, a power of two, by what a CPU gains and what
    memory holds; None where they are of several sizes, or such batches would be no larger.

    Args:
        batches: as a data loader gives them, images (C, H, W) in ``inputs``, in a list or stacked.
    """
    size, total, most = None, 0, 0
    for batch in batches:
        images = batch.get('inputs') if isinstance(batch, Mapping) else None
        if not isinstance(images, (list, tuple, Tensor)):
            return None
        for image in images:
            if not isinstance(image, Tensor) or (size or image.shape) != image.shape:
                return None
            size = image.shape
        total, most = total + len(images), max(most, len(images))
    if size is None:
        return None
    fitting = PIXELS // math.prod(size[-2:])
    largest = min(MOST, 1 << max(fitting.bit_length() - 1, 0))
    return largest if min(largest, total) > most else None


def check_metrics(configs: Any, scope: str | None) -> None:
    """Check that metrics can judge by a part of the images.

    Args:
        configs: of one metric or of several.
        scope: of mmengine's registries, by which their types are found.

    Raises:
        UsageError: one counts what is in the images of its annotation file as missed if these were
            not seen.
    """
    with METRICS.switch_scope_and_registry(scope) as registry:
        for config in [configs] if isinstance(configs, Mapping) else configs:
            kind = config.get('type')
            kind = registry.get(kind) if isinstance(kind, str) else kind
            names = {each.__name__ for each in getattr(kind, '__mro__', ())}
            by_image = BY_IMAGE in names and config.get('outfile_prefix') is None
            if kind and config.get(FILE) and not by_image and not names & set(BY_IMAGE_IDS):
                raise UsageError(
                    f'{kind.__name__} judges by all images of its {FILE}, and those of a share '
                    'alone are not told to it: leave halving and share out of the config'
                )


def judge_by_seen(metrics: Iterable[BaseMetric]) -> None:
    """Have metrics that know images by an annotation file judge by those that they were given.

    A data set may be a part of the file: a share for a look, or what ``dataloader`` of an evaluator
    leaves of it.
    """
    for metric in metrics:
        if {kind.__name__ for kind in type(metric).__mro__} & set(BY_IMAGE_IDS):
            metric.img_ids = [truth['img_id'] for truth, _ in metric.results]
