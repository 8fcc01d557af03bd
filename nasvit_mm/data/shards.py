"""Images in tar shards of webdataset's layout, read by index."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from mmengine.logging import print_log

from nasvit_mm.data.classified import ClassifiedImages, kept_per_class
from nasvit_mm.data.report import some, with_progress
from nasvit_mm.errors import DataError, shown_path
from nasvit_mm.files import WriteError, replacing
from nasvit_mm.registry import DATASETS

IMAGES = ('jpg', 'jpeg', 'png', 'webp')
END = bytes(2 * tarfile.BLOCKSIZE)  # of a whole tar file
RANGE = re.compile(r'\{(\d+)\.\.(\d+)\}')


@DATASETS.register_module()
class TarShards(ClassifiedImages):
    """Tar files of images, ``data_root/split/*.tar``: in each ``key.jpg`` beside ``key.cls``.

    The layout is that of the library webdataset, which reads shards as a stream: what comes next
    depends on what came before, and on the number of workers.  Here an index says where in the
    shards each image is, so that this project's samplers draw images as out of a folder, and a
    resumed run repeats the uninterrupted one.  The price is reading out of order: shards belong on
    a disk of the training machine that seeks fast, or in its memory.

    The index is made once, of the tars' headers, and kept beside the shards where they can be
    written to (``index.npz``); a shard that has changed is read anew.

    Args:
        data_root, split: the shards are in ``data_root/split``; split='.': in data_root.
        transform, num_per_class: as of :class:`nasvit_mm.data.ImageFolder`; the first images of a
            class are those of the first shards.
        shards: names of the shards: a pattern with ``*``, or a range, ``train-{0000..1023}.tar``,
            of which none may be missing.
        classes: their names, in the order of the labels; None: they have none.

    Raises:
        DataError: a shard is missing, cut or damaged, or an image has no class.
        UsageError: of the transform, or ``num_per_class`` leaves no image.
    """

    def __init__(
        self,
        data_root: str,
        split: str,
        transform: Mapping,
        num_per_class: int | None = None,
        shards: str = '*.tar',
        classes: Sequence[str] | None = None,
    ) -> None:
        super().__init__(transform)
        folder = Path(data_root, split)
        self.shards = shard_files(folder, shards)
        self.images = _indexed(folder, self.shards)
        if num_per_class is not None:
            kept = kept_per_class(self.images.label.tolist(), num_per_class, shown_path(folder))
            self.images = Index(*(column[kept] for column in self.images))
        self.metainfo = {} if classes is None else dict(classes=tuple(classes))
        if classes is not None and self.images.label.max() >= len(classes):
            raise DataError(
                f'an image in {shown_path(folder)} is of class {self.images.label.max()}, and '
                f'classes has {len(classes)} names, which count from 0: name all of them'
            )

    def __len__(self) -> int:
        return len(self.images.label)

    def encoded(self, index: int) -> tuple[bytes, int]:
        shard, offset, size, label = (int(column[index]) for column in self.images)
        with open(self.shards[shard], 'rb', buffering=0) as file:
            file.seek(offset)
            content = file.read(size)
        if len(content) < size:
            raise OSError(f'the shard ends {size - len(content)} bytes before the image')
        return content, label

    def where(self, index: int) -> tuple[str, str]:
        shard, offset = self.shards[self.images.shard[index]], int(self.images.offset[index])
        return f'the image at byte {offset} of {shard}', 'copy or fetch this shard again'


class Index(NamedTuple):
    """Where images are, arrays of one length.

    Attributes:
        shard: place in the list of shards.
        offset, size: in bytes, of the image file in the shard.
        label: its class.
    """

    shard: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    label: np.ndarray


def shard_files(folder: Path, names: str) -> list[Path]:
    """Return the shards of a folder, in order.

    Raises:
        DataError: there are none, or one of the range, or within the numbers, is missing.
    """
    if found := RANGE.search(names):
        first, last = found.groups()
        wanted = [
            f'{names[: found.start()]}{number:0{len(first)}}{names[found.end() :]}'
            for number in range(int(first), int(last) + 1)
        ]
    else:
        there = sorted(path.name for path in folder.glob(names))
        wanted = sorted({*there, *_between(there)})
    missing = [name for name in wanted if not (folder / name).is_file()]
    if not wanted or len(missing) == len(wanted):
        raise DataError(
            f'there are no shards {names} in {shown_path(folder)}: name the place of yours, '
            'data_root and split, and their names, shards, of the data set'
        )
    if missing:
        raise DataError(
            f'{len(missing)} of {len(wanted)} shards are missing in {shown_path(folder)}: '
            f'{some(missing)}; fetch them, or name those that you mean: shards of the data set'
        )
    return [folder / name for name in wanted]


def _between(names: Sequence[str]) -> Iterator[str]:
    """Yield the names from the first to the last number, of shards that differ in it alone."""
    parts = [re.fullmatch(r'(.*?)(\d+)(\D*)', name) for name in names]
    if not all(parts) or len({(p[1], len(p[2]), p[3]) for p in parts}) != 1:
        return
    numbers = [int(p[2]) for p in parts]
    if max(numbers) - min(numbers) >= 2 * len(numbers):  # dates, or what else counts no shards
        return
    for number in range(min(numbers), max(numbers)):
        yield f'{parts[0][1]}{number:0{len(parts[0][2])}}{parts[0][3]}'


def _indexed(folder: Path, shards: Sequence[Path]) -> Index:
    """Return the index of shards; those that have not changed are not read again."""
    path, stats = folder / 'index.npz', [os.stat(shard) for shard in shards]
    states = [
        f'{shard.name} {stat.st_size} {stat.st_mtime_ns}' for shard, stat in zip(shards, stats)
    ]
    names = {shard.name for shard in shards}
    kept = _kept(path)
    kept = {
        s: rows for s, rows in kept.items() if s in states or s.rsplit(maxsplit=2)[0] not in names
    }
    fresh = [place for place, state in enumerate(states) if state not in kept]
    for place in with_progress(fresh, f'reading the headers of the shards in {folder}'):
        kept[states[place]] = np.array(list(_members(shards[place])), np.int64).reshape(-1, 3)
    if fresh:
        try:
            with replacing(path) as draft, draft.open('wb') as file:
                np.savez(file, **kept)
        except WriteError as error:
            print_log(f'the shards are read at every start: {error}', 'current')
    rows = [kept[state] for state in states]  # (images, 3) each
    shard = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    return Index(shard, *np.concatenate(rows).T.copy())


def _kept(path: Path) -> dict[str, np.ndarray]:
    """Return what an index holds, by the state of each shard; nothing where it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, BadZipFile):
        return {}


def _members(shard: Path) -> Iterator[tuple[int, int, int]]:
    """Yield (offset, size, label) of the images of a shard.

    Raises:
        DataError: it is cut, or an image has no class.
    """
    images: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    remedy = 'copy or fetch it again'
    try:
        with open(shard, 'rb') as file, tarfile.open(fileobj=file, mode='r:') as tar:
            for member in tar:
                key, _, kind = os.path.basename(member.name).partition('.')
                key = os.path.join(os.path.dirname(member.name), key)
                if kind == 'cls':
                    labels[key] = int(tar.extractfile(member).read())
                elif kind.lower() in IMAGES:
                    images[key] = member.offset_data, member.size
                tar.members.clear()  # which would hold all headers
            file.seek(-len(END), os.SEEK_END)
            if file.read() != END:
                raise tarfile.ReadError('it has no end')
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f'the shard {shard} is cut or damaged ({error}): {remedy}') from error
    except ValueError as error:
        raise DataError(
            f'{key}.cls in the shard {shard} holds no whole number ({error}): write the class of '
            'the image there, counted from 0'
        ) from error
    alone = sorted({*images} ^ {*labels})
    if alone or not images:
        raise DataError(
            f'the shard {shard} lacks the image or the class of {some(alone)}: expected key.jpg '
            'beside key.cls, as webdataset writes them'
            if alone
            else f'the shard {shard} holds no images: expected key.jpg beside key.cls'
        )
    for key, place in images.items():
        yield *place, labels[key]
