"""The layouts in which images of classes lie: a folder a class, divided or not, or each divided."""

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
    """Read CLASS/*.jpg, SPLIT/CLASS/*.jpg or CLASS/SPLIT/*.jpg.

    Raises:
        DataError: a split lacks a class that another one has.
    """
    inside = [(split, folder) for split, folder in by_split(root) if _classes(folder)]
    divided = [] if inside else _divided(root)
    found = Found('class folders', '', {})
    for split, names in divided or [(s, _classes(f)) for s, f in inside or [('', root)]]:
        for folder in [f for f, images in names.items() if not images]:
            found.notes.append(f'{folder} holds no image: the class is left out')
        items = [
            Item(folder / image, name, flat(f'{name}/{image}'))
            for folder, images in names.items()
            for name in [folder.parent.name if divided else folder.name]
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
    after = '{' + ','.join(found.splits) + '}/' if divided else ''
    found.saw = f'{where}CLASS/{after} with {len(found.classes)} classes'
    return found


def _classes(folder: Path) -> dict[Path, list[str]]:
    """Return the images of each class of a folder."""
    return {inside: images_below(inside) for inside in folders_in(folder)}


def _divided(root: Path) -> list[tuple[str, dict[Path, list[str]]]]:
    """Return the images of CLASS/SPLIT/ by split; none where a class has images elsewhere too."""
    out: dict[str, dict[Path, list[str]]] = {}
    for folder in folders_in(root):
        inside = list(by_split(folder))
        for split, within in inside:
            out.setdefault(split, {})[within] = images_below(within)
        if len(images_below(folder)) > sum(len(out[split][within]) for split, within in inside):
            return []
    return list(out.items())


LAYOUTS: dict[str, Callable[[Path], Found | None]] = {'folders': class_folders}
