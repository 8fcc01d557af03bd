"""Images in one folder per class, with timm's transforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from timm.data import create_transform
from torchvision.datasets import ImageFolder as _ImageFolder
from torchvision.transforms import ColorJitter, Compose

from nasvit_mm.data.known_places import how_to_get
from nasvit_mm.data.seeding import ImageIndex, seed_image
from nasvit_mm.errors import DataError, UsageError, shown_path
from nasvit_mm.registry import DATASETS


@DATASETS.register_module()
class ImageFolder(_ImageFolder):
    """ImageNet's layout, ``data_root/split/class/*.JPEG``, with classes in alphabetical order.

    Args:
        data_root: folder that holds the splits.
        split: ``'train'`` or another folder in it.
        transform: arguments of ``timm.data.create_transform`` (input_size, is_training,
            auto_augment, re_prob, ...); images are normalised with ImageNet's mean and deviation by
            default.  ``force_color_jitter=True`` keeps the colour jitter that timm drops when
            ``auto_augment`` is given.
        num_per_class: keep the first ``n`` images of each class, or leave out the first ``n`` if
            the number is ``-n`` (``5`` and ``-5`` give a held-out set and its rest); None: all.

    An image's augmentation is a function of the :class:`nasvit_mm.data.ImageIndex` that picks it,
    so a resumed run repeats it with any number of workers.

    Raises:
        UsageError: timm does not have an argument of the transform.
        DataError: there is no such folder, or it holds no images, or an image cannot be read.
    """

    def __init__(
        self, data_root: str, split: str, transform: Mapping, num_per_class: int | None = None
    ) -> None:
        folder = Path(data_root, split)
        if not folder.is_dir():
            raise DataError(
                f'the data folder {shown_path(folder)} does not exist; expected '
                f'images in {data_root}/{split}/<class>/, as ImageNet has them. '
                f'{how_to_get(data_root)}Name the place of yours: data_root of the data set'
            )
        try:
            super().__init__(str(folder), _transform(**transform))
        except FileNotFoundError as error:
            raise DataError(f'{shown_path(folder)} holds no classes with images: {error}') from (
                error
            )
        if num_per_class is not None:
            self.samples = _some_per_class(self.samples, num_per_class)
            if not self.samples:
                raise DataError(
                    f'num_per_class = {num_per_class} leaves no image of those in '
                    f'{shown_path(folder)}'
                )
        self.metainfo = dict(classes=tuple(self.classes))

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return ``dict(inputs=(3, H, W) float, labels=int)``."""
        if isinstance(index, ImageIndex):
            seed_image(*index.key)
        path, label = self.samples[int(index)]
        try:
            image = self.loader(path)
        except Exception as error:
            raise DataError(
                f'the image {path} cannot be read: {error}; replace it or remove it from the folder'
            ) from error
        inputs = self.transform(image)
        if not torch.is_tensor(inputs):
            raise TypeError(f'the transform gives a {type(inputs).__name__}, expected a tensor')
        return dict(inputs=inputs, labels=label)


def _transform(force_color_jitter: bool = False, **options: Any) -> Callable:
    try:
        if not (force_color_jitter and options.get('is_training') and not options.get('no_aug')):
            return create_transform(**options)
        first, second, last = create_transform(**options, separate=True)
        without = create_transform(**dict(options, auto_augment=None), separate=True)[1]
    except TypeError as error:
        raise UsageError(f'transform = {options}: {error}') from error
    if not any(isinstance(step, ColorJitter) for step in second.transforms):
        second.transforms[1:1] = [
            step for step in without.transforms if isinstance(step, ColorJitter)
        ]
    return Compose([first, second, last])


def _some_per_class(samples: list, number: int) -> list:
    """Keep the first ``number`` samples of each class, or drop its first ``-number``."""
    out, seen = [], {}
    for path, label in samples:
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= number if number >= 0 else seen[label] > -number:
            out.append((path, label))
    return out
