"""Images that two splits have in common, so that a metric is of images that were learnt."""

from __future__ import annotations

import os
from collections.abc import Iterable

from nasvit_mm.data.report import Problems, some


class SharedImages:
    """Remember the images of each split, and warn of those that two of them read."""

    def __init__(self) -> None:
        self._splits: dict[str, set[str]] = {}

    def add(self, split: str, images: Iterable[str]) -> None:
        """Add the files of one data set; links count as what they lead to."""
        self._splits.setdefault(split, set()).update(map(os.path.realpath, images))

    def warn(self, problems: Problems) -> None:
        """Warn of images of the training set that are evaluated."""
        trained = self._splits.get('train', set())
        for split, images in self._splits.items():
            shared = sorted(trained & images)
            if shared and split != 'train':
                problems.warn(
                    f'{len(shared)} of {len(images)} images of the {split} data set are in the '
                    f'training set too, so the metric is of images that were learnt: '
                    f'{some(shared)}'
                )
