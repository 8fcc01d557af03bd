"""A teacher's answers on the disk: where images come again, the teacher does not run again."""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from nasvit_mm.data import own_transforms, some, wrapped_datasets
from nasvit_mm.errors import UsageError, shown_value
from nasvit_mm.files import digest, replacing

# Transforms after which an image is the same in every epoch, or (flips) one of two.
REPEATING = {
    'FilterAnnotations',
    'LoadAnnotations',
    'LoadImageFromFile',
    'Normalize',
    'PackDetInputs',
    'PackSegInputs',
    'Pad',
    'RandomFlip',
    'Resize',
    'ResizeShortestEdge',
    'ResizeToMultiple',
    'SeedTransforms',
}
# Data sets around others that hand on their images; a pipeline of their own is looked at.
WRAPPERS = {'ClassBalancedDataset', 'ConcatDataset', 'MultiImageMixDataset', 'RepeatDataset'}


class AnswerCache:
    """Keeps answers by what the teacher saw: a file for each image, named by its pixels' digest.

    So an image that was flipped is another one, and nothing of another teacher is ever taken.
    Answers are stored in half precision, and are so rounded when they are new too: a run that
    resumes, or reads what another one wrote, computes the same.

    Args:
        folder: of all teachers' answers; each has a folder of its own in it.
        identity: what answers depend on beside the image, of JSON types.
    """

    def __init__(self, folder: str | Path, identity: Any) -> None:
        self.folder = Path(folder, digest(identity))
        self._told = False
        self._sizes: set[torch.Size] = set()  # of batches of several images

    def __call__(
        self, images: Tensor, compute: Callable[[Tensor], Sequence[Tensor]]
    ) -> list[Tensor]:
        """Return the teacher's answers for images (N, C, H, W), each (N, ...).

        Args:
            compute: gives the answers of images that are not there yet.
        """
        self._watch(images)
        paths = [self.folder / f'{_digest(image)}.npz' for image in images]
        found = [_read(path) for path in paths]
        missing = [i for i, parts in enumerate(found) if parts is None]
        if missing:
            fresh = [_halved(part).cpu().numpy() for part in compute(images[missing])]
            self.folder.mkdir(parents=True, exist_ok=True)
            for place, i in enumerate(missing):
                found[i] = [part[place] for part in fresh]
                with replacing(paths[i]) as draft, draft.open('wb') as file:
                    np.savez(file, *found[i])
            self._tell(found[missing[0]])
        return [
            torch.from_numpy(np.stack(parts)).to(images.device).float() for parts in zip(*found)
        ]

    def _watch(self, images: Tensor) -> None:
        """Warn once where images are padded to the largest of their batch: the same image among
        others is another one.
        """
        if len(images) == 1 or len(self._sizes) > 1:
            return
        self._sizes.add(images.shape[2:])
        if len(self._sizes) > 1:
            print_log(
                'teacher.cache: batches differ in size, so that an image is padded as those beside '
                'it want it, and its answer is found again only beside such ones: end the training '
                "pipeline's transforms with one to a fixed size, as dict(type='Pad', "
                'size=(WIDTH, HEIGHT)) before the packing, or leave teacher.cache out',
                logger='current',
                level=logging.WARNING,
            )

    def _tell(self, parts: list[np.ndarray]) -> None:
        """Say once where answers go, and how large they are."""
        if not self._told:
            self._told = True
            size = sum(part.nbytes for part in parts) / 2**20
            print_log(
                f"the teacher's answers are kept in {self.folder}: {size:.3g} MiB an image, and as "
                'much for its mirror image',
                logger='current',
            )


def check_folder(folder: str | Path) -> None:
    """Check that answers can be kept in a folder.

    Raises:
        UsageError: it is a file, or no path at all.
    """
    if not isinstance(folder, (str, Path)) or Path(folder).is_file():
        raise UsageError(f'teacher.cache = {shown_value(folder)}, expected a folder')


def check_repeats(dataset: Any, preprocessor: Any) -> None:
    """Check that training sees the same images again and again.

    Raises:
        UsageError: names the transforms that make others each time, and data sets of which it is
            not known what they do.
    """
    random = list(_unsteady(dataset))
    if getattr(preprocessor, 'batch_augments', None):
        random.append('batch_augments of the data_preprocessor')
    if random:
        raise UsageError(
            'teacher.cache: images are not the same in every epoch, or it is not known that they '
            f'are, by {some(list(dict.fromkeys(random)), 4)}; leave those out of the training '
            'pipeline, or leave teacher.cache out'
        )


def _unsteady(dataset: Any) -> Iterator[str]:
    """Yield the names of what may make other images each time, in a data set and those inside."""
    inside = wrapped_datasets(dataset)
    known = (
        type(dataset).__name__ in WRAPPERS
        if inside
        else getattr(dataset, 'pipeline', None) is not None
    )
    if not known:
        yield f'the data set {type(dataset).__name__}'
    for step in own_transforms(dataset):
        if type(step).__name__ not in REPEATING:
            yield type(step).__name__
    for one in inside:
        yield from _unsteady(one)


def _digest(image: Tensor) -> str:
    return hashlib.blake2b(image.cpu().contiguous().numpy().tobytes(), digest_size=16).hexdigest()


def _halved(part: Tensor) -> Tensor:
    most = torch.finfo(torch.float16).max
    return part.clamp(-most, most).half()


def _read(path: Path) -> list[np.ndarray] | None:
    """Return the arrays of a file; None where there is none, or a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in file.files]
    except (FileNotFoundError, BadZipFile, EOFError, ValueError, KeyError, zlib.error):
        return None
