"""What masks hold, and what they become: class numbers as they are, or through a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from nasvit_mm.data import Problems, sample, with_progress
from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.own_data.found import Found, Item, shown_names
from nasvit_mm.own_data.names import VOC, VOC_BORDER, Colour, hexed, made_up

IGNORED = 255
MOST_COLOURS = 256
FEW, APART = 16, 8  # so few grey values, so far from each other, are shades and no class numbers
LOSSY = ('JPEG', 'MPO', 'JPEG2000', 'WEBP')


class Row(NamedTuple):
    """One line of the table by which masks become class numbers.

    Attributes:
        value: of the file: a number, or a colour (r, g, b).
        label: the class, or 255: ignored.
        name: of the class.
        share: of all pixels that were looked at.
    """

    value: int | Colour
    label: int
    name: str
    share: float

    @property
    def shown(self) -> str:
        return str(self.value) if isinstance(self.value, int) else f'#{hexed(self.value)}'


@dataclass
class Reading:
    """How the masks of a data set are read.

    Attributes:
        classes, colours: of the classes.
        table: rows, by which masks are converted; None: they hold class numbers already.
        words: what was seen, for the user.
    """

    classes: tuple[str, ...]
    colours: tuple[Colour, ...]
    table: tuple[Row, ...] | None
    words: str


class _Seen(NamedTuple):
    """What pixels there are, by value, and the palettes of the files."""

    values: Counter
    looked: int
    coloured: bool
    palette: Mapping[int, Colour] = {}
    spread: bool = False  # numbers that stand in several channels


def read_masks(
    found: Found, given: tuple[tuple[str, ...], tuple[Colour, ...] | None] | None
) -> Reading:
    """Look at the masks of a data set and decide how they are read.

    Args:
        given: names and colours of the classes, as the user gives them; None: not given.

    Raises:
        DataError: files that cannot be read, lossy ones, more colours than a label map has, values
            beyond the classes.
        UsageError: what they mean is not clear without names; the message says what to give.
    """
    names, colours = given or (found.classes, found.colours)
    items = [item for split in found.splits.values() for item in split]
    if found.values is not None:
        return _fixed(found, names, colours, items)
    seen = _look(sample(items))
    if seen.coloured:  # a rare colour must be in the table, too
        seen = seen if seen.looked == len(items) else _look(items)
        return _of_colours(seen, names, colours)
    reading = _of_numbers(seen, names, colours)
    if reading.table is None and IGNORED in seen.values and len(reading.classes) <= IGNORED:
        share = seen.values[IGNORED] / sum(seen.values.values())
        reading.words += f'; {IGNORED} ({share:.2%} of the pixels looked at) is ignored'
    if reading.table is None and seen.spread:  # a label map has one channel
        reading.table = _rows(seen, {v: v for v in sorted(seen.values)}, reading.classes)
    return reading


def _fixed(
    found: Found,
    names: Sequence[str] | None,
    colours: Sequence[Colour] | None,
    items: Sequence[Item],
) -> Reading:
    seen = _look(sample(items))
    unknown = sorted(set(seen.values) - set(found.values))
    if seen.coloured or unknown:
        raise DataError(
            f'the masks of {found.layout} hold {"colours" if seen.coloured else unknown[:5]}, '
            f'expected labels {min(found.values)} to {max(found.values)}: give another --layout'
        )
    label_of = found.values
    rows = _rows(seen, {v: label_of[v] for v in sorted(seen.values)}, names)
    return Reading(tuple(names), tuple(colours), rows, f'labels of {found.layout}')


# ---------------------------------------------------------------------- looking
def _look(items: Sequence[Item]) -> _Seen:
    problems, coloured, palettes = Problems(), False, {}
    counts: Counter = Counter()
    for item in with_progress(items, 'looking at masks'):
        pixels = _open(item, problems, palettes)
        if pixels is None:
            continue
        many = pixels.ndim == 3
        coloured |= many
        _count(pixels, counts)
        if len(counts) > MOST_COLOURS and coloured:
            raise DataError(
                f'the masks hold more than {MOST_COLOURS} colours (by {item.label}): a label map '
                'has one for each class: save it without smoothing, as PNG, and resize it by '
                'nearest neighbour'
            )
    problems.raise_if_any()
    if palettes.get('differ'):  # an index means another colour in each file
        return _look_through_palettes(items)
    if coloured and any(isinstance(v, int) for v in counts):
        raise DataError('some masks hold colours and others numbers: write all of them in one form')
    if coloured and all(r == g == b for r, g, b in counts):
        greys = Counter({v[0]: n for v, n in counts.items()})
        return _Seen(greys, len(items), False, spread=True)
    return _Seen(counts, len(items), coloured, palettes)


def _look_through_palettes(items: Sequence[Item]) -> _Seen:
    counts: Counter = Counter()
    for item in items:
        with Image.open(item.label) as image:
            _count(np.array(image.convert('RGB')), counts)
    if len(counts) > MOST_COLOURS:
        raise DataError(
            f'the masks have a palette each, {len(counts)} colours in all: a label map has one '
            'colour for each class'
        )
    return _Seen(counts, len(items), True)


def _open(item: Item, problems: Problems, palettes: dict) -> np.ndarray | None:
    """Return (H, W) numbers or (H, W, 3) colours; note what is wrong with a file."""
    try:
        with Image.open(item.label) as image, Image.open(item.image) as picture:
            kind, size, whole = image.format, image.size, picture.size
            if image.mode == 'P':
                _compare_palettes(image, palettes)
            pixels = label_pixels(image)
    except Exception as error:  # decoders raise what they will
        problems.add(
            'masks or images that cannot be read',
            f'{item.label} of {item.image} ({error})',
            'Replace them, or remove image and mask.',
        )
        return None
    if kind in LOSSY:
        problems.add(
            'masks in a lossy format, whose labels are not those that were written',
            f'{item.label} ({kind})',
            'Write masks as PNG from their source; converting these does not bring labels back.',
        )
        return None
    if size not in (whole, whole[::-1]):  # turned by EXIF: the checks of data know
        problems.add(
            'masks of another size than their image (width x height)',
            f'{item.label} ({size[0]} x {size[1]}) of {item.image} ({whole[0]} x {whole[1]})',
            'Write each mask at the size of its image: resize it by nearest neighbour.',
        )
        return None
    if pixels.ndim == 2 and (pixels.dtype.kind == 'f' or pixels.min() < 0):
        problems.add(
            'masks of real or negative numbers',
            f'{item.label} ({pixels.dtype})',
            'Write class numbers as numpy.uint8, or numpy.uint16 from 256 classes on.',
        )
        return None
    return pixels


def label_pixels(image: Image.Image) -> np.ndarray:
    """Return a mask's pixels: (H, W) numbers, of a palette its indices, or (H, W, 3) colours."""
    if image.mode in ('RGBA', 'LA', 'CMYK', 'YCbCr', 'HSV', 'LAB'):
        return np.array(image.convert('RGB'))
    return np.array(image) * 1  # bool of one bit becomes 0, 1


def _compare_palettes(image: Image.Image, palettes: dict) -> None:
    palette = np.array(image.getpalette('RGB') or [], np.uint8).reshape(-1, 3)
    used = [i for _, i in image.getcolors() or () if i < len(palette)]
    for i in used:
        colour = tuple(palette[i].tolist())
        if palettes.setdefault(i, colour) != colour:
            palettes['differ'] = True


def _count(pixels: np.ndarray, counts: Counter) -> None:
    if pixels.ndim == 3:
        pixels = pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
        for value, n in zip(*np.unique(pixels, return_counts=True)):
            counts[(int(value) >> 16, int(value) >> 8 & 255, int(value) & 255)] += int(n)
    else:
        for value, n in zip(*np.unique(pixels, return_counts=True)):
            counts[int(value)] += int(n)


# ---------------------------------------------------------------------- deciding
def _of_numbers(
    seen: _Seen, names: Sequence[str] | None, colours: Sequence[Colour] | None
) -> Reading:
    values = sorted(seen.values)
    labels = [v for v in values if v != IGNORED]
    shown = shown_names(map(str, values), 12)
    if names is None:
        return _unnamed(seen, values, labels, shown)
    number = len(names)
    if colours and _known(values, colours):
        return _through_colours(seen, names, colours)
    if not labels or labels[-1] < number:
        words = f'class numbers ({shown}), taken as they are'
        return _as_they_are(names, colours or _of_palette(seen, number), words)
    if len(values) == number and (labels[-1] > number or number == 2):
        table = {v: i for i, v in enumerate(values)}
        rows = _rows(seen, table, names)
        return Reading(tuple(names), _colours(colours, number), rows, f'grey values {shown}')
    if labels[0] == 0 and labels[-1] == number:
        table = {v: IGNORED if v in (0, IGNORED) else v - 1 for v in values}
        rows = _rows(seen, table, names)
        words = f'labels 0 to {number} of {number} classes: 0 is taken for unlabelled'
        return Reading(tuple(names), _colours(colours, number), rows, words)
    if labels[0] == 1 and labels[-1] == number:
        rows = _rows(seen, {v: v - 1 if v != IGNORED else IGNORED for v in values}, names)
        return Reading(tuple(names), _colours(colours, number), rows, f'labels 1 to {number}')
    raise DataError(
        f'labels beyond the classes: the masks hold {shown}, and {number} classes are named '
        f'(0 to {number - 1}; {IGNORED}: ignored): name all of them, --classes, or correct the '
        'masks'
    )


def _unnamed(seen: _Seen, values: list[int], labels: list[int], shown: str) -> Reading:
    if values in ([0, 255], [0, 1]):
        names = ('background', 'object')
        if values == [0, 1]:
            return _as_they_are(names, None, 'labels 0 and 1: background and one class')
        rows = _rows(seen, {0: 0, 255: 1}, names)
        return Reading(names, made_up(2), rows, 'values 0 and 255: background and one class')
    if len(labels) < 2:
        raise DataError(
            f'the masks hold only {shown}: nothing can be told apart by them. Write a class number '
            f'into each pixel, 0, 1, ..; {IGNORED}: ignored'
        )
    gaps = [b - a for a, b in zip(values, values[1:])]
    if len(values) <= FEW and min(gaps) >= APART:
        names = tuple(f'grey_{v}' for v in values)
        rows = _rows(seen, {v: i for i, v in enumerate(values)}, names)
        return Reading(
            names,
            made_up(len(names)),
            rows,
            f'grey values {shown}: a class each, 255 too (name them in this order: --classes)',
        )
    number = labels[-1] + 1
    if len(labels) < number / 2:
        raise UsageError(
            f'the masks hold {shown}: are these class numbers, of which most never occur, or '
            'shades? Name the classes: --classes a,b,.. (a name for each number from 0 to '
            f'{labels[-1]}, or for each of the {len(values)} values in order), or --classes FILE'
        )
    names = tuple(f'class_{i}' for i in range(number))
    words = f'class numbers 0 to {number - 1}, without names: give them by --classes a,b,..'
    return _as_they_are(names, _of_palette(seen, number), words)


def _of_palette(seen: _Seen, number: int) -> tuple[Colour, ...] | None:
    """Return the colours that the files' palette gives to the classes, if it tells them apart."""
    colours = tuple(seen.palette.get(i, made_up(number)[i]) for i in range(number))
    return colours if seen.palette and len(set(colours)) == number else None


def _of_colours(
    seen: _Seen, names: Sequence[str] | None, colours: Sequence[Colour] | None
) -> Reading:
    there = set(seen.values)
    voc = {colour: i for i, (_, colour) in enumerate(VOC)}
    if names is not None and colours is None:
        shown = ','.join(f'NAME={hexed(c)}' for c in _ordered(there))
        raise UsageError(
            f'the masks hold {len(there)} colours; which class is which is not said by names '
            f'alone: --classes {shown}'
        )
    if names is not None:
        lacking = _ordered(there - set(colours) - {VOC_BORDER})
        if lacking:
            share = sum(seen.values[c] for c in lacking) / sum(seen.values.values())
            raise DataError(
                f'the masks hold colours that no class has '
                f'({shown_names(f"#{hexed(c)}" for c in lacking)}; {share:.2%} of the pixels): add '
                f'them to the classes, --classes NAME={hexed(lacking[0])},..'
            )
        return _through_colours(seen, names, colours)
    if VOC_BORDER in there and there - {VOC_BORDER} <= set(voc):
        names, colours = zip(*VOC)
        return _through_colours(seen, names, colours, "Pascal VOC's colours")
    ordered = _ordered(there)
    names = ['background' if c == (0, 0, 0) else f'colour_{hexed(c)}' for c in ordered]
    words = 'name them by --classes ' + ','.join(f'NAME={hexed(c)}' for c in ordered)
    return _through_colours(seen, names, ordered, f'{len(ordered)} colours; {words}')


def _ordered(colours: set[Colour]) -> list[Colour]:
    """Return black first, then by number: the same order whatever the files."""
    return sorted(colours)


def _through_colours(
    seen: _Seen, names: Sequence[str], colours: Sequence[Colour], words: str = 'colours of a table'
) -> Reading:
    label_of = {tuple(c): i for i, c in enumerate(colours)}
    if seen.coloured:
        table = {c: label_of.get(c, IGNORED) for c in _ordered(set(seen.values))}
    else:  # grey in all files
        table = {v: label_of[(v, v, v)] for v in sorted(seen.values)}
    rows = _rows(seen, table, names)
    return Reading(tuple(names), tuple(map(tuple, colours)), rows, words)


def _known(values: Sequence[int], colours: Sequence[Colour]) -> bool:
    """Return whether all values are greys of a colour table, and not its class numbers."""
    greys = {c[0] for c in colours if c[0] == c[1] == c[2]}
    return set(values) <= greys and max(values) >= len(colours)


def _as_they_are(names: Sequence[str], colours: Sequence[Colour] | None, words: str) -> Reading:
    return Reading(tuple(names), _colours(colours, len(names)), None, words)


def _colours(colours: Sequence[Colour] | None, number: int) -> tuple[Colour, ...]:
    return tuple(map(tuple, colours)) if colours else made_up(number)


def _rows(
    seen: _Seen, table: Mapping[int | Colour, int], names: Sequence[str] | None
) -> tuple[Row, ...]:
    total = sum(seen.values.values())
    return tuple(
        Row(
            value,
            label,
            names[label] if names and label < len(names) else 'ignored',
            seen.values[value] / total,
        )
        for value, label in table.items()
    )


# ---------------------------------------------------------------------- converting
def convert(path: Path, reading: Reading) -> np.ndarray:
    """Return a mask as class numbers (H, W), uint8 or from 256 classes on uint16.

    Raises:
        DataError: the file holds a value that is not in the table.
    """
    with Image.open(path) as image:
        coloured = isinstance(reading.table[0].value, tuple)
        pixels = np.array(image.convert('RGB')) if coloured else label_pixels(image)
    if pixels.ndim == 3 and not coloured:  # grey, in three channels
        pixels = pixels[..., 0]
    if coloured:
        pixels = pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    wide = len(reading.classes) > IGNORED
    out = np.full(pixels.shape, IGNORED, np.uint16 if wide else np.uint8)
    known = np.zeros(pixels.shape, bool)
    for row in reading.table:
        value = int.from_bytes(bytes(row.value), 'big') if coloured else row.value
        here = pixels == value
        out[here], known = row.label, known | here
    if not known.all():
        value = int(pixels[~known][0])
        raise DataError(
            f'{path} holds {f"#{value:06x}" if coloured else value}, which is not among the values '
            'seen in other masks: correct it, or name the classes, --classes'
        )
    return out
