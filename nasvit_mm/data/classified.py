"""What data sets of images with one class each share, wherever the images are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch.utils.data import Dataset

from nasvit_mm.data.augment import ImageTransform, decoded_image
from nasvit_mm.data.seeding import ImageIndex, seed_image
from nasvit_mm.errors import DataError, UsageError


class ClassifiedImages(Dataset, ABC):
    """Images with one class each, read by index, transformed by timm.

    An image's augmentation is a function of the :class:`nasvit_mm.data.ImageIndex` that picks it,
    so a resumed run repeats it with any number of workers.

    Args:
        transform: of :class:`nasvit_mm.data.augment.ImageTransform`.
    """

    def __init__(self, transform: Mapping[str, Any]) -> None:
        self.transform = ImageTransform(**transform)

    @abstractmethod
    def encoded(self, index: int) -> tuple[bytes, int]:
        """Return the bytes of an image file, and the image's class.

        Raises:
            OSError: they cannot be read.
        """

    @abstractmethod
    def where(self, index: int) -> tuple[str, str]:
        """Return words for an error about an image: what it is, and the remedy."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return ``dict(inputs=(3, H, W) float, labels=int)``; with ``normalize=False`` of the
        transform uint8.
        """
        if isinstance(index, ImageIndex):
            seed_image(*index.key)
        place = int(index)
        try:
            encoded, label = self.encoded(place)
            image = decoded_image(encoded)
        except Exception as error:  # decoders raise what they will
            what, remedy = self.where(place)
            raise DataError(f'{what} cannot be read: {error}; {remedy}') from error
        return dict(inputs=self.transform(image), labels=label)


def kept_per_class(labels: Sequence[int], number: int, where: str) -> list[int]:
    """Return the indices of the first ``number`` images of each class, or of all but the first
    ``-number``.

    Args:
        where: the images are, for the message.

    Raises:
        UsageError: there are none.
    """
    kept, seen = [], {}
    for i, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= number if number >= 0 else seen[label] > -number:
            kept.append(i)
    if not kept:
        raise UsageError(f'num_per_class = {number} leaves no image of those in {where}')
    return kept
