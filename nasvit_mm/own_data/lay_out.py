"""Laying data out as the configs read them: links to the images, and what had to be converted.

img_dir/SPLIT/*.jpg, ann_dir/SPLIT/*.png               segmentation
images/SPLIT/*.jpg, annotations/SPLIT.json             detection, in COCO's JSON
SPLIT/CLASS/*.jpg                                      classification
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nasvit_mm.data import Problems, check_coco, read_header, read_pixels, sample, with_progress
from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.own_data.found import Found, Item, shown_names
from nasvit_mm.own_data.label_maps import IGNORED, Reading, Row, convert, label_pixels
from nasvit_mm.own_data.names import Colour, made_up

WORDS = {'seg': 'share of pixels', 'det': 'boxes', 'cls': 'images'}


@dataclass
class LaidOut:
    """A data set as the configs read it.

    Attributes:
        task: ``'seg'``, ``'det'`` or ``'cls'``.
        classes, colours: of the classes.
        suffix: of the images.
        splits: split -> items, the label of one as it was laid out.
        counts: split -> class -> number of pixels, boxes or images.
        looked: split -> number of images that were counted.
        size: (height, width), the middle of the images'.
        same_size: whether all images that were looked at have it.
        table: by which masks were converted.
        saw: lines on what was found and done.
    """

    task: str
    classes: tuple[str, ...]
    colours: tuple[Colour, ...]
    suffix: str
    splits: dict[str, list[Item]]
    counts: dict[str, Counter]
    looked: dict[str, int]
    size: tuple[int, int]
    same_size: bool
    table: tuple[Row, ...] | None = None
    saw: list[str] = field(default_factory=list)

    @property
    def to_learn(self) -> int:
        """Return the number of training images that are used: of detection those with a box."""
        items = self.splits['train']
        return sum(bool(i.label.boxes) for i in items) if self.task == 'det' else len(items)


def lay_out(
    found: Found,
    task: str,
    folder: Path,
    reading: Reading | None = None,
    classes: Sequence[str] | None = None,
) -> LaidOut:
    """Write a data set, divided already, into a folder that is there.

    Args:
        reading: of the masks; None: of another task, or masks that are drawn of polygons.
        classes: names that the user gives, where there is no reading.

    Raises:
        DataError: a file is damaged, a box leaves its image, a class is named twice or is not
            there; the message names the first five of each kind.
    """
    suffix = _suffix(found)
    write = {'seg': _segmentation, 'det': _detection, 'cls': _classification}[task]
    if task == 'seg' and reading is None:
        reading = Reading(
            *_drawn_classes(found, classes), None, 'polygons, drawn in the order of the file'
        )
    if reading is None:
        names = _names(found, classes)
        reading = Reading(names, made_up(len(names) + 1)[1:], None, '')
    for name in reading.classes:
        if not name.strip():
            raise DataError('a class has an empty name: name the classes, --classes a,b,..')
    size, same = _sizes(found)
    out = LaidOut(
        task, reading.classes, reading.colours, suffix, {}, {}, {}, size, same, reading.table
    )
    for split, items in found.splits.items():
        out.splits[split], out.counts[split], out.looked[split] = write(
            items, split, folder, suffix, reading
        )
    _check_counts(out)
    return out


def _names(found: Found, given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the classes to use: those of the files, or of them those that are given.

    Raises:
        UsageError: a given one is not in the files.
    """
    if given is None:
        return tuple(found.classes)
    unknown = [name for name in given if name not in found.classes]
    if unknown and len(given) == len(found.classes) and _numbered(found.classes):
        return tuple(given)
    if unknown:
        raise UsageError(
            f'--classes: {shown_names(unknown)} is not among those of the files: '
            f'{shown_names(found.classes, 20)}'
        )
    return tuple(given)


def _numbered(names: Iterable[str]) -> bool:
    return all(name == f'class_{i}' for i, name in enumerate(names))


def _drawn_classes(
    found: Found, given: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[Colour, ...]]:
    names = _names(found, given)
    names = names if 'background' in names else ('background', *names)
    return names, made_up(len(names))


def _suffix(found: Found) -> str:
    """Return the suffix that most images have; a link may have another than its file, for readers
    go by the content.
    """
    counts = Counter(item.image.suffix.lower() for items in found.splits.values() for item in items)
    return counts.most_common(1)[0][0]


def _sizes(found: Found) -> tuple[tuple[int, int], bool]:
    """Return the median height and width, and whether all are the same."""
    items = sample([item for items in found.splits.values() for item in items])
    problems, sizes = Problems(), []
    for item in items:
        try:
            sizes.append(read_header(str(item.image)).upright[::-1])
        except Exception as error:  # decoders raise what they will
            _unreadable(problems, item.image, error)
    problems.raise_if_any()
    middle = np.median(np.array(sizes), axis=0).astype(int)
    return (int(middle[0]), int(middle[1])), len(set(sizes)) == 1


def _unreadable(problems: Problems, path: Path, error: Exception) -> None:
    problems.add(
        'images that cannot be read',
        f'{path} ({error})',
        'Replace them, or remove them with their labels.',
    )


def link(source: Path, target: Path) -> None:
    """Make a link to a file of the user's, which stays where it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(os.path.realpath(source))


def lay_out_boxes(found: Found, folder: Path, classes: Sequence[str]) -> None:
    """Write detection data that are divided already; see :func:`lay_out`."""
    reading = Reading(tuple(classes), made_up(len(classes)), None, '')
    for split, items in found.splits.items():
        _detection(items, split, folder, _suffix(found), reading)


# ---------------------------------------------------------------------- one function a task
def _segmentation(
    items: Sequence[Item], split: str, folder: Path, suffix: str, reading: Reading
) -> tuple[list[Item], Counter, int]:
    counts: Counter = Counter()
    out, looked = [], 0
    counted = {id(item) for item in sample(items)}
    (folder / 'ann_dir' / split).mkdir(parents=True)
    for item in with_progress(items, f'laying out {split}'):
        image = folder / 'img_dir' / split / f'{item.name}{suffix}'
        mask = folder / 'ann_dir' / split / f'{item.name}.png'
        link(item.image, image)
        pixels = None
        if not isinstance(item.label, Path):
            pixels = _drawn(item, reading)
        elif reading.table is not None:
            pixels = convert(item.label, reading)
        if pixels is None:
            link(item.label, mask)
        else:
            _save(pixels, mask, reading.colours)
        if id(item) in counted:
            if pixels is None:
                with Image.open(item.label) as opened:
                    pixels = label_pixels(opened)
            for value, n in zip(*np.unique(pixels, return_counts=True)):
                counts[int(value)] += int(n)
            looked += 1
        out.append(Item(image, mask, item.name))
    return out, counts, looked


def _drawn(item: Item, reading: Reading) -> np.ndarray:
    """Return a label map of the polygons of an image: later objects over earlier ones.

    Raises:
        DataError: an object has a box alone.
    """
    from pycocotools import mask as coco_mask

    width, height = item.label.size
    wide = len(reading.classes) > IGNORED
    out = np.zeros((height, width), np.uint16 if wide else np.uint8)
    for box in item.label.boxes:
        shape = box.more.get('segmentation')
        if not shape:
            raise DataError(
                f'{item.image} has an object without a segmentation, [{box.category}]: such data '
                'are for --task det'
            )
        if isinstance(shape, list):
            shape = coco_mask.merge(coco_mask.frPyObjects(shape, height, width))
        elif isinstance(shape['counts'], list):
            shape = coco_mask.frPyObjects(shape, height, width)
        if box.category in reading.classes:
            label = IGNORED if box.more.get('iscrowd') else reading.classes.index(box.category)
            out[coco_mask.decode(shape).astype(bool)] = label
    return out


def _save(pixels: np.ndarray, path: Path, colours: Sequence[Colour]) -> None:
    """Write a label map, with the colours of the classes as palette where one fits."""
    fits = pixels.dtype == np.uint8
    (with_palette(pixels, colours) if fits else Image.fromarray(pixels)).save(path)


def with_palette(labels: np.ndarray, colours: Sequence[Colour]) -> Image.Image:
    """Return a label map (H, W) uint8 as an image that shows the colours of the classes."""
    palette = bytearray(768)
    for i, colour in enumerate(colours[:256]):
        palette[3 * i : 3 * i + 3] = bytes(colour)
    image = Image.frombytes('P', labels.shape[::-1], labels.tobytes())
    image.putpalette(bytes(palette))
    return image


def _detection(
    items: Sequence[Item], split: str, folder: Path, suffix: str, reading: Reading
) -> tuple[list[Item], Counter, int]:
    content: dict[str, Any] = dict(
        images=[],
        annotations=[],
        categories=[dict(id=i, name=name) for i, name in enumerate(reading.classes, 1)],
    )
    index = {name: i for i, name in enumerate(reading.classes)}
    counts: Counter = Counter()
    out = []
    for number, item in enumerate(items, 1):
        name = f'{item.name}{suffix}'
        image = folder / 'images' / split / name
        link(item.image, image)
        width, height = item.label.size
        content['images'].append(dict(id=number, file_name=name, width=width, height=height))
        for box in item.label.boxes:
            if box.category not in index:
                continue  # a class that the user leaves out
            x, y, w, h = (round(v, 3) for v in box.bbox)
            content['annotations'].append(
                dict(
                    id=len(content['annotations']) + 1,
                    image_id=number,
                    category_id=index[box.category] + 1,
                    bbox=[x, y, w, h],
                    **{'iscrowd': 0, 'area': round(w * h, 3), **box.more},
                )
            )
            counts[index[box.category]] += not box.more.get('iscrowd')
        out.append(Item(image, item.label, item.name))
    path = folder / 'annotations' / f'{split}.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    problems = Problems()
    check_coco(str(path), content, split, problems)
    problems.raise_if_any()
    path.write_text(json.dumps(content), encoding='utf-8')
    return out, counts, len(items)


def _classification(
    items: Sequence[Item], split: str, folder: Path, suffix: str, reading: Reading
) -> tuple[list[Item], Counter, int]:
    index = {name: i for i, name in enumerate(reading.classes)}
    counts: Counter = Counter()
    problems, out = Problems(), []
    looked = {id(item) for item in sample(items)}
    for item in items:
        if item.label not in index:
            continue
        if id(item) in looked:
            try:
                read_pixels(str(item.image))
            except Exception as error:  # decoders raise what they will
                _unreadable(problems, item.image, error)
        image = folder / split / item.label / f'{item.name}{item.image.suffix.lower()}'
        link(item.image, image)
        counts[index[item.label]] += 1
        out.append(Item(image, item.label, item.name))
    problems.raise_if_any()
    return out, counts, len(out)


# ---------------------------------------------------------------------- what is there
def _check_counts(out: LaidOut) -> None:
    """Refuse a training set without a label; say which classes never occur."""
    train = out.counts['train']
    present = [i for i in range(len(out.classes)) if train[i]]
    if not present:
        raise DataError(
            f'the {len(out.splits["train"])} training images have no label of any class '
            f'({shown_names(out.classes)}): name the classes as the files do, --classes'
        )
    for split, counts in out.counts.items():
        never = [name for i, name in enumerate(out.classes) if not counts[i]]
        if never:
            out.saw.append(f'{split} has nothing of {shown_names(never)}')
