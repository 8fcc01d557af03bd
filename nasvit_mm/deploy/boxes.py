"""A detector's boxes with shapes that do not depend on the image, which graphs need.

mmdet's heads choose candidates by a threshold on their scores, and give as many boxes as are left:
shapes that no exporter can know.  While a prediction is traced, the functions that choose are
replaced by ones that take a fixed number of the best and set the scores of those that would have
been dropped to 0.  The boxes with a score are the same.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torchvision.ops import nms

from nasvit_mm.dense import image_meta
from nasvit_mm.errors import UsageError

NO_LIMIT = 1000  # candidates of a level where the config sets no limit


def detections(
    model: nn.Module, images: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return boxes (N, M, 4), scores (N, M) and labels (N, M) of normalised images (N, 3, H, W).

    Args:
        model: mmdet's detector.
        size: (height, width) in pixels of the images before they were padded: boxes end there.

    Raises:
        UsageError: its head chooses boxes in a way that has no fixed shape.
    """
    from mmdet.structures import DetDataSample

    meta = image_meta(tuple(images.shape[2:])) | dict(img_shape=size, ori_shape=size)
    samples = [DetDataSample(metainfo=meta) for _ in range(images.shape[0])]
    with fixed_shapes(model):
        found = model.predict(images, samples, rescale=False)
    parts = [sample.pred_instances for sample in found]
    threshold = score_threshold(model)
    scores = torch.stack([part.scores for part in parts])
    return (
        torch.stack([part.bboxes for part in parts]),
        scores * (scores > threshold),
        torch.stack([part.labels for part in parts]).to(torch.int32),
    )


def score_threshold(model: nn.Module) -> float:
    """Return the score from which on a detector's config keeps boxes."""
    cfg = model.test_cfg
    return float(cfg.get('rcnn', cfg).get('score_thr', 0.0))


@contextmanager
def fixed_shapes(model: nn.Module) -> Iterator[None]:
    """Let a detector choose fixed numbers of candidates while the block runs."""
    smallest = -1.0
    with ExitStack() as stack:
        for head in model.modules():
            cfg = getattr(head, 'test_cfg', None)
            if isinstance(cfg, Mapping) and cfg.get('min_bbox_size', -1) >= 0:
                smallest = max(smallest, cfg['min_bbox_size'])
                changed = copy.deepcopy(cfg)
                changed['min_bbox_size'] = -1  # `_batched_nms` does it, and drops nothing
                stack.enter_context(patch.object(head, 'test_cfg', changed))
        replaced = {'filter_scores_and_topk': _best, 'batched_nms': partial(_batched_nms, smallest)}
        for module in _modules_of(model):
            for name in replaced.keys() & vars(module).keys():
                stack.enter_context(patch.object(module, name, replaced[name]))
        yield


def _modules_of(model: nn.Module) -> set[Any]:
    """Return the Python modules of the classes that a detector's heads are made of."""
    return {
        sys.modules[base.__module__]
        for head in model.modules()
        for base in type(head).__mro__
        if base.__module__.startswith('mmdet.')
    }


def _best(
    scores: Tensor, score_thr: float, topk: int, results: Any = None
) -> tuple[Tensor, Tensor, Tensor, Any]:
    """Stand for mmdet's ``filter_scores_and_topk``, with the number of candidates fixed."""
    flat = scores.flatten()  # (anchors * classes,)
    number = min(topk if topk > 0 else NO_LIMIT, flat.shape[0])
    values, index = flat.topk(number)
    kept, labels = index // scores.shape[1], index % scores.shape[1]
    values = values * (values > score_thr)
    if isinstance(results, Mapping):
        results = {key: value[kept] for key, value in results.items()}
    elif isinstance(results, list):
        results = [value[kept] for value in results]
    elif results is not None:
        results = results[kept]
    return values, labels, kept, results


def _batched_nms(
    smallest: float,
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    cfg: Mapping | None,
    class_agnostic: bool = False,
) -> tuple[Tensor, Tensor]:
    """Stand for mmcv's ``batched_nms``: as many places as boxes, the dropped ones with score 0.

    Args:
        smallest: boxes of no more pixels in width or height are dropped; -1: none.
    """
    cfg = dict(cfg or dict(type='nms', iou_threshold=1.0))
    if cfg.get('type', 'nms') != 'nms':
        raise UsageError(
            f'the config asks for {cfg["type"]!r}, and graphs hold plain non-maximum suppression: '
            "set the nms of the model's test_cfg to dict(type='nms', iou_threshold=0.6)"
        )
    sides = boxes[:, 2:] - boxes[:, :2]
    scores = scores * (sides > smallest).all(1)
    apart = boxes
    if not cfg.get('class_agnostic', class_agnostic):
        apart = boxes + (labels.to(boxes) * (boxes.max() + 1))[:, None]
    kept = nms(apart, scores, cfg.get('iou_threshold', cfg.get('iou_thr', 0.5)))
    number = boxes.shape[0]
    places = torch.cat([kept, kept.new_zeros(number)])[:number]
    real = torch.arange(number, device=boxes.device) < kept.shape[0]
    return torch.cat([boxes[places], (scores[places] * real)[:, None]], 1), places
