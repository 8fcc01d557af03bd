"""Randomness as a function of place, so that a resumed run repeats the uninterrupted one.

There are three parts, one for each source of random numbers in a training run:

* ``SeededInfiniteSampler`` or ``SeededEpochSampler``, with ``ImageIndex``: the order of the images
  is a function of the epoch;
* ``SeedTransforms``, first in the pipeline: the augmentation is a function of epoch and image;
* ``SeedIterations``, a hook: dropout and drop path are functions of iteration and process.

Nothing has to be stored: a checkpoint's iteration determines all of it, for any number of workers.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from nasvit_mm.registry import DATA_SAMPLERS, TRANSFORMS


def seed_everything(*key: int) -> None:
    """Seed the global generators of Python, numpy and torch with a tuple of integers >= 0."""
    torch.manual_seed(_seed_host(key))


def seed_image(*key: int) -> None:
    """Seed what draws on the CPU as :func:`seed_everything` does, and no device's generator.

    Augmentation draws there, and to look for devices takes longer than all else, every image.
    """
    torch.default_generator.manual_seed(_seed_host(key))


def _seed_host(key: tuple[int, ...]) -> int:
    """Seed Python's and numpy's generators; return the seed for torch's."""
    words = np.random.SeedSequence(key).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    return int(words[2]) << 32 | int(words[3])


class ImageIndex(int):
    """An image's index that remembers the draw it comes from.

    It is an ordinary index to data sets, their wrappers and batch samplers; mmengine passes it on
    to the pipeline as ``results['sample_idx']``.

    Attributes:
        key: (seed, epoch, index in the whole data set).
    """

    key: tuple[int, int, int]

    def __new__(cls, index: int, key: tuple[int, int, int]) -> ImageIndex:
        draw = super().__new__(cls, index)
        draw.key = key
        return draw

    def __getnewargs__(self) -> tuple[int, tuple[int, int, int]]:
        return int(self), self.key

    def __mod__(self, other: int) -> ImageIndex:  # RepeatDataset
        return ImageIndex(int(self) % other, self.key)

    def __sub__(self, other: int) -> ImageIndex:  # ConcatDataset
        return ImageIndex(int(self) - other, self.key)


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(Sampler):
    """Endless epochs for ``IterBasedTrainLoop``, each a permutation given by (seed, epoch).

    Processes take turns.  Unlike mmengine's ``InfiniteSampler`` it can start anywhere at once
    (``skip``), and its indices are ``ImageIndex`` objects.

    Args:
        dataset: the data set to sample from.
        shuffle: whether to permute each epoch.
        seed: the same in all processes; None: drawn at random and agreed upon.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.start = 0  # number of draws that this process has already made

    def __iter__(self) -> Iterator[ImageIndex]:
        if not self.size:
            raise ValueError('the data set is empty')
        place = self.rank + self.start * self.world_size
        for epoch in itertools.count(place // self.size):
            order = self._order(epoch)
            for i in range(place - epoch * self.size, self.size, self.world_size):
                yield ImageIndex(order[i], (self.seed, epoch, order[i]))
                place += self.world_size

    def _order(self, epoch: int) -> list[int]:
        if not self.shuffle:
            return list(range(self.size))
        words = np.random.SeedSequence((self.seed, epoch)).generate_state(2)
        generator = torch.Generator().manual_seed(int(words[0]) << 32 | int(words[1]))
        return torch.randperm(self.size, generator=generator).tolist()

    def skip(self, num_samples: int) -> None:
        """Begin after this many draws of this process; mmengine calls it on resume."""
        if num_samples < 0:
            raise ValueError(f'num_samples must be at least 0, not {num_samples}')
        self.start = num_samples

    def __len__(self) -> int:
        return self.size

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: epochs follow one another within one iteration."""


@DATA_SAMPLERS.register_module()
class SeededEpochSampler(DefaultSampler):
    """mmengine's sampler for epoch-based loops, with ``ImageIndex`` objects as indices.

    Its order is already a function of (seed, epoch).
    """

    def __iter__(self) -> Iterator[ImageIndex]:
        for index in super().__iter__():
            yield ImageIndex(index, (self.seed, self.epoch, index))


@TRANSFORMS.register_module()
class SeedTransforms:
    """Seeds the transforms that follow by the ``ImageIndex`` that picked the image; comes first.

    With another sampler, whose indices are plain integers, it leaves the generators alone.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        draw = results.get('sample_idx')
        if isinstance(draw, ImageIndex):
            seed_image(*draw.key)
            results['sample_idx'] = int(draw)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
