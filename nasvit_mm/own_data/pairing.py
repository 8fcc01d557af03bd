"""Which mask belongs to which image, by their names."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from nasvit_mm.errors import DataError, shown_path
from nasvit_mm.own_data.found import Item, composed, flat, images_below, shown_names

MOST_LEFT = 0.5  # of the images, without a mask: then the folders are not of one data set


class Words(NamedTuple):
    """With their separators, what names of a folder begin and end with, ``img_`` and ``_mask``."""

    first: str = ''
    last: str = ''


def pair(images: Path, masks: Path, notes: list[str], some: bool = False) -> list[Item]:
    """Return the images of a folder with the masks of another one (which may be the same).

    Names are compared without suffix; where they are not equal, the first or the last word may
    differ, the same for all: ``0001.jpg`` and ``0001_mask.png``, ``7_sat.jpg`` and ``7_mask.png``,
    ``img_3.jpg`` and ``mask_3.png``.

    Args:
        notes: takes a line on images and masks that are left over.
        some: whether masks may be of a part of the images by intent.

    Raises:
        DataError: there are no images or masks, or hardly one belongs to another.
    """
    there = {folder: images_below(folder) for folder in (images, masks)}
    for folder, names in there.items():
        if not names:
            raise DataError(
                f'{shown_path(folder)} holds no images: name the right folders, --images DIR '
                '--masks DIR'
            )
    of_images, of_masks = (_stems(folder, there[folder]) for folder in (images, masks))
    if images == masks:
        of_images, of_masks, ending = _beside(of_images)
        words = Words(), Words('', ending)
    else:
        words = _words(list(of_images), list(of_masks))
    mask_of = {_key(stem, words[1]): name for stem, name in of_masks.items()}
    out, without = [], []
    for stem, name in of_images.items():
        mask = mask_of.pop(_key(stem, words[0]), None)
        if mask is None:
            without.append(name)
        else:
            out.append(Item(images / name, masks / mask, flat(name)))
    if not out or (not some and len(without) > MOST_LEFT * len(of_images)):
        raise DataError(
            f'{len(without)} of {len(of_images)} images in {shown_path(images)} have no mask of '
            f'their name in {shown_path(masks)}, the first: {without[0]} (masks there: '
            f'{shown_names(sorted(of_masks.values()), 3)}): name the right folders, --images DIR '
            '--masks DIR, or name each mask as its image'
        )
    if without:
        notes.append(
            f'{len(without)} of {len(of_images)} images in {images} have no mask and are left '
            f'out: {shown_names(without, 3)}'
        )
    if mask_of:
        notes.append(
            f'{len(mask_of)} masks in {masks} have no image and are left out: '
            f'{shown_names(sorted(mask_of.values()), 3)}'
        )
    return out


def _stems(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return stem -> name.

    Raises:
        DataError: two files differ in their suffix only, so that a mask belongs to both.
    """
    out: dict[str, str] = {}
    for name in names:
        stem = composed(str(Path(name).with_suffix('')))
        if stem in out:
            raise DataError(
                f'{shown_path(folder)} holds {out[stem]} and {name}: which of them is meant? '
                'Remove or rename one'
            )
        out[stem] = name
    return out


def _words(images: Sequence[str], masks: Sequence[str]) -> tuple[Words, Words]:
    """Return the words, of images and of masks, without which most names are equal."""
    common = [
        [Words(*pair) for pair in product(_common(_first_word, stems), _common(_last_word, stems))]
        for stems in (images, masks)
    ]

    def matches(words: tuple[Words, Words]) -> tuple[int, int]:
        keys = {_key(stem, words[1]) for stem in masks}
        left_out = sum(len(word) for each in words for word in each)
        return sum(_key(stem, words[0]) in keys for stem in images), -left_out

    return max(sorted(product(*common)), key=matches)


def _common(word_of: Callable[[str], str], stems: Sequence[str]) -> list[str]:
    """Return '' and the word that more than half of the names have there."""
    ((word, number),) = Counter(map(word_of, stems)).most_common(1)
    return [''] if not word or number <= len(stems) / 2 else ['', word]


def _first_word(stem: str) -> str:
    found = re.match(r'[^_.-]+[_.-]', os.path.basename(stem))
    return found[0] if found else ''


def _last_word(stem: str) -> str:
    cut = max(stem.rfind('_'), stem.rfind('-'), stem.rfind('.'))
    return stem[cut:] if cut > 0 else ''


def _key(stem: str, words: Words) -> str:
    folder, name = os.path.split(stem)
    return os.path.join(folder, name.removeprefix(words.first).removesuffix(words.last))


def _beside(stems: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str], str]:
    """Divide a folder of images and masks: masks have one more word at their end."""
    found = Counter(
        word
        for word, bare in ((_last_word(stem), stem) for stem in stems)
        if word and bare.removesuffix(word) in stems
    )
    if not found:
        return dict(stems), {}, ''
    word = found.most_common(1)[0][0]
    masks = {s: n for s, n in stems.items() if s.endswith(word) and s.removesuffix(word) in stems}
    return {s: n for s, n in stems.items() if s not in masks}, masks, word
