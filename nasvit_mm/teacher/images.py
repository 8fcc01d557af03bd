"""The images of a step as the teacher's own preprocessor would make them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from nasvit_mm.config import type_name
from nasvit_mm.data import datasets_in, own_transforms, wrapped_datasets
from nasvit_mm.dense import Normalisation
from nasvit_mm.errors import UsageError


class Renormalise:
    """Turns images that one model's preprocessor has made into those that another's would.

    What a preprocessor does beside normalising (padding, sizes drawn for the batch, mixing) stays
    as the first one did it, so that the two models see the same pixels.

    Raises:
        UsageError: a preprocessor of which it is not known how it normalises.
    """

    def __init__(self, ours: nn.Module, theirs: nn.Module) -> None:
        one, other = Normalisation.of(ours), Normalisation.of(theirs)
        self.same = False
        if one is None or other is None:
            pre = ours if one is None else theirs
            whose = 'model' if one is None else 'teacher'
            raise UsageError(
                f'the data_preprocessor of the {whose}, '
                f'{type(pre.data_preprocessor).__name__}, does not say how it normalises: give '
                'it a SegDataPreProcessor or DetDataPreprocessor with mean and std'
            )
        if len(one.mean) != len(other.mean) and 1 not in (len(one.mean), len(other.mean)):
            raise UsageError(
                f'the teacher sees images of {len(other.mean)} channels, the model of '
                f'{len(one.mean)}: give a teacher of the same input'
            )
        self.swap = one.swaps != other.swaps
        self.mean, self.std = one.mean, one.std
        self.new_mean, self.new_std = other.mean, other.std
        self.same = (
            not self.swap and torch.equal(one.mean, other.mean) and torch.equal(one.std, other.std)
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Return images (N, C, H, W) as the other preprocessor makes them."""
        if self.same:
            return images
        mean, std, new_mean, new_std = (
            t.to(images.device) for t in (self.mean, self.std, self.new_mean, self.new_std)
        )
        values = images.float() * std + mean
        if self.swap and values.shape[1] == 3:
            values = values[:, [2, 1, 0]]
        return (values - new_mean) / new_std


def check_pipelines(dataset: Any, cfg: Config, same: bool) -> None:
    """Check that images are not normalised by transforms that the other side does not know of.

    Args:
        dataset: of the training.
        cfg: of the teacher, whose test pipeline is looked at.
        same: whether both preprocessors do the same.

    Raises:
        UsageError: names the transform.
    """
    part = (cfg.get('test_dataloader') or {}).get('dataset')
    theirs = [step for _, one in datasets_in(part, '') for step in one.get('pipeline') or ()]
    ours, theirs = list(_normalised(_transforms(dataset))), list(_normalised(theirs))
    if (ours or theirs) and not (same and ours == theirs):
        raise UsageError(
            'the transform Normalize makes the images '
            + ('of the training' if ours else 'that the teacher was trained with')
            + ', which a teacher and its student then see otherwise: normalise by the '
            'data_preprocessor, mean=[...] and std=[...], in the configs of both'
        )


def _transforms(dataset: Any) -> Iterator[Any]:
    """Yield the transforms of a data set, and of those inside."""
    yield from own_transforms(dataset)
    for one in wrapped_datasets(dataset):
        yield from _transforms(one)


def _normalised(steps: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield (mean, std, whether it swaps channels) of each Normalize."""
    for step in steps:
        name = type_name(step) if isinstance(step, Mapping) else type(step).__name__
        if name.rpartition('.')[2] == 'Normalize':
            options = step if isinstance(step, Mapping) else vars(step)
            mean, std = ([float(v) for v in options[key]] for key in ('mean', 'std'))
            yield mean, std, bool(options.get('to_rgb', True))
