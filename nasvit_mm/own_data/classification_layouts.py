"""The layouts in which images of classes lie: a folder a class, divided or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nasvit_mm.errors import DataError
from nasvit_mm.own_data.found import (
    Found,
    Item,
    by_split,
    flat,
    folders_in,
    images_below,
    shown_names,
)


def class_folders(root: Path) -> Found | None:
    """Read CLASS/*.jpg, or SPLIT/CLASS/*.jpg.

    Raises:
        DataError: a split lacks a class that another one has.
    """
    inside = [(split, folder) for split, folder in by_split(root) if _classes(folder)]
    found = Found('class folders', '', {})
    for split, folder in inside or [('', root)]:
        names = _classes(folder)
        for name in [n for n, images in names.items() if not images]:
            found.notes.append(f'{folder / name} holds no image: the class is left out')
        items = [
            Item(folder / name / image, name, flat(f'{name}/{image}'))
            for name, images in names.items()
            for image in images
        ]
        if not items:
            return None
        if split in found.splits:
            raise DataError(f'{root} has several folders of {split}: leave one there')
        found.splits[split] = items
    of = {s: {item.label for item in items} for s, items in found.splits.items()}
    found.classes = tuple(sorted(set().union(*of.values())))
    for split, there in of.items():
        lacking = sorted(set(found.classes) - there)
        if lacking:
            raise DataError(
                f'{split or root} has no image of {shown_names(lacking)}, which other splits '
                'have: put some there, or remove the class'
            )
    if len(found.classes) < 2:
        return None
    where = '{' + ','.join(folder.name for _, folder in inside) + '}/' if inside else ''
    found.saw = f'{where}CLASS/ with {len(found.classes)} classes'
    return found


def _classes(folder: Path) -> dict[str, list[str]]:
    """Return the images of each class of a folder."""
    return {inside.name: images_below(inside) for inside in folders_in(folder)}


LAYOUTS: dict[str, Callable[[Path], Found | None]] = {'folders': class_folders}
