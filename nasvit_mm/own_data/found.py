"""What is found in a user's folder: images with their labels, by split, in whatever layout."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nasvit_mm.data import files_below

IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm')
SPLITS = {  # as folders and files are called -> as this project calls them
    'train': ('train', 'training', 'train2017', 'train2014'),
    'val': ('val', 'valid', 'validation', 'dev', 'val2017', 'val2014'),
    'test': ('test', 'testing', 'test2017', 'test2014'),
}


class Item(NamedTuple):
    """One image and what is known of it.

    Attributes:
        image: its file.
        label: of segmentation the file of its label map, of detection its ``Boxes``, of
            classification the name of its class.
        name: unique within the split, without suffix and without a slash.
    """

    image: Path
    label: Any
    name: str


@dataclass
class Found:
    """A data set as it lies on the disk.

    Attributes:
        layout: its name, ``'Pascal VOC'``.
        saw: the folders and files that tell it, in words.
        splits: ``'train'``, ``'val'``, ``'test'`` -> items; ``''``: not divided.
        classes: names; None: the files do not say them.
        colours: of the classes, as (r, g, b), where a table says them.
        values: of the files -> class, where the layout fixes them (255: ignored).
        notes: what the reader of the folder left out or assumed, one line each.
    """

    layout: str
    saw: str
    splits: dict[str, list[Item]]
    classes: tuple[str, ...] | None = None
    colours: tuple[tuple[int, int, int], ...] | None = None
    values: dict[int, int] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def number(self) -> int:
        return sum(map(len, self.splits.values()))


def split_of(name: str) -> str | None:
    """Return the split that a folder's or file's name means; None: none.

    ``instances_train2017`` and ``train_labels`` mean ``train``.
    """
    words = name.lower().replace('-', '_').replace('.', '_').split('_')
    for split, names in SPLITS.items():
        if any(word in names for word in words):
            return split
    return None


def images_below(folder: Path) -> list[str]:
    """Return the image files below a folder, relative to it, in order."""
    return sorted(name for name in files_below(folder) if name.lower().endswith(IMAGES))


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, in order, without hidden ones."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith('.'))


def flat(name: str) -> str:
    """Return a relative path as one name without suffix: ``a/b.jpg`` -> ``a__b``."""
    return composed(os.path.splitext(name)[0]).replace(os.sep, '__')


def composed(name: str) -> str:
    """Return a name whose accents are part of their letter: an archive made on a Mac has them as
    characters of their own, so that names look alike and are not.
    """
    return unicodedata.normalize('NFC', name)


def on_disk(folder: Path, name: str) -> Path:
    """Return the file of a name in a folder, also where it has its accents in the other form."""
    forms = (folder / unicodedata.normalize(form, name) for form in ('NFC', 'NFD'))
    there = folder / name
    return there if there.is_file() else next(filter(Path.is_file, forms), there)


def shown_names(names: Iterable[str], most: int = 8) -> str:
    """Return names with commas, those beyond ``most`` as a number."""
    names = list(names)
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + more


def by_split(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (split, folder) of those inside one that are called as splits are."""
    for inside in folders_in(folder):
        split = split_of(inside.name) if inside.name.lower() in _all_names() else None
        if split:
            yield split, inside


def _all_names() -> set[str]:
    return {name for names in SPLITS.values() for name in names}
