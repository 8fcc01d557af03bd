"""Dividing a data set into train, val and test, the same way each time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

from nasvit_mm.errors import DataError
from nasvit_mm.own_data.found import Found, Item

PART = 10  # one image in so many is held out for each of val and test
LEAST = 3  # images, one for each split
ROLES = ('train', 'val', 'test')


def divide(found: Found, by_class: bool = False) -> list[str]:
    """Divide a data set in place, so that it has train, val (to choose by) and test (to report).

    What is held out is told by a checksum of each image's name: it is the same whenever it is
    asked, on every machine.

    Args:
        by_class: hold out as many of each class.

    Returns:
        What was done, a line each.

    Raises:
        DataError: too few images, or a split for training is missing.
    """
    splits, words = found.splits, []
    key = (lambda item: item.label) if by_class else (lambda item: None)
    if '' in splits:
        whole = splits.pop('')
        if len(whole) < LEAST:
            raise DataError(
                f'{len(whole)} images with labels; at least {LEAST} are needed, one each to train, '
                'to choose and to report by'
            )
        rest, splits['test'] = held_out(whole, key)
        splits['train'], splits['val'] = held_out(rest, key)
        words.append(
            f'no splits: 1 image in {PART} reports (test), 1 in {PART} of the rest chooses '
            '(val), by a checksum of their names'
        )
    elif 'train' not in splits:
        raise DataError(
            f'there is {" and ".join(splits)} and no split to train by: call its folder or file '
            'train'
        )
    else:
        have = [split for split in ('val', 'test') if split in splits]
        if have != ['val', 'test']:
            source = have[0] if have else None
            if source is None:
                splits['train'], splits['test'] = held_out(splits['train'], key)
                words.append(f'only train: 1 image in {PART} of it reports (test)')
            elif source == 'val':
                splits['test'] = splits.pop('val')
                words.append('your val is what reports (test), and nothing is chosen by it')
            splits['train'], splits['val'] = held_out(splits['train'], key)
            words.append(
                f'1 training image in {PART} is held out, to choose by (val), by a checksum of '
                'its name'
            )
    found.splits = {split: splits[split] for split in ROLES}
    lacking = [split for split, items in found.splits.items() if not items]
    if lacking:
        raise DataError(f'no image is left for {" and ".join(lacking)}: add some')
    return words


def held_out(items: Sequence[Item], key: Callable[[Item], Any]) -> tuple[list[Item], list[Item]]:
    """Return the items that stay and one in ten, at least one of each group that has two."""
    groups: dict[Any, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    out: set[int] = set()
    for group in groups.values():
        ranked = sorted(group, key=lambda item: (crc32(item.name.encode()), item.name))
        number = max(len(group) // PART, 1) if len(group) > 1 else 0
        out |= {id(item) for item in ranked[:number]}
    return [i for i in items if id(i) not in out], [i for i in items if id(i) in out]
