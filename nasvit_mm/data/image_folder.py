"""Images in one folder per class, with timm's transforms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torchvision.datasets import ImageFolder as _ImageFolder

from nasvit_mm.data.classified import ClassifiedImages, kept_per_class
from nasvit_mm.data.known_places import how_to_get
from nasvit_mm.errors import DataError, shown_path
from nasvit_mm.registry import DATASETS


@DATASETS.register_module()
class ImageFolder(ClassifiedImages, _ImageFolder):
    """ImageNet's layout, ``data_root/split/class/*.JPEG``, with classes in alphabetical order.

    Args:
        data_root: folder that holds the splits.
        split: ``'train'`` or another folder in it.
        transform: arguments of ``timm.data.create_transform`` (input_size, is_training,
            auto_augment, re_prob, ...); images are normalised with ImageNet's mean and deviation by
            default; ``normalize=False`` leaves them uint8, and their normalisation and erasing to
            :class:`nasvit_mm.classification.ClassificationPreprocessor`, on the device.
            ``force_color_jitter=True`` keeps the colour jitter that timm drops when
            ``auto_augment`` is given.
        num_per_class: keep the first ``n`` images of each class, or leave out the first ``n`` if
            the number is ``-n`` (``5`` and ``-5`` give a held-out set and its rest); None: all.

    Raises:
        UsageError: timm does not have an argument of the transform, or ``num_per_class`` leaves no
            image.
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
            _ImageFolder.__init__(self, str(folder))
        except FileNotFoundError as error:
            raise DataError(f'{shown_path(folder)} holds no classes with images: {error}') from (
                error
            )
        ClassifiedImages.__init__(self, transform)
        if num_per_class is not None:
            labels = [label for _, label in self.samples]
            kept = kept_per_class(labels, num_per_class, shown_path(folder))
            self.samples = [self.samples[i] for i in kept]
        self.metainfo = dict(classes=tuple(self.classes))

    def encoded(self, index: int) -> tuple[bytes, int]:
        path, label = self.samples[index]
        return Path(path).read_bytes(), label

    def where(self, index: int) -> tuple[str, str]:
        return f'the image {self.samples[index][0]}', 'replace it or remove it from the folder'
