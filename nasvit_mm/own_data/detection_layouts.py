"""The layouts in which images and boxes lie: COCO JSON, Pascal VOC's XML, YOLO."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import yaml

from nasvit_mm.data import Problems, check_coco, read_coco, read_header
from nasvit_mm.errors import DataError, UsageError, first_line, shown_path, shown_value
from nasvit_mm.own_data.found import (
    Found,
    Item,
    by_split,
    composed,
    flat,
    images_below,
    on_disk,
    shown_names,
    split_of,
)
from nasvit_mm.own_data.names import own_names
from nasvit_mm.own_data.segmentation_layouts import listed

SLACK = 2.0  # pixels that a box may leave its image by, for boxes are rounded
COCO_KEYS = ('iscrowd', 'area', 'segmentation')


class Box(NamedTuple):
    """One object: its class, [x, y, width, height] in pixels, and what else COCO says of it."""

    category: str
    bbox: tuple[float, float, float, float]
    more: Mapping[str, Any] = {}


class Boxes(NamedTuple):
    """The objects of one image.

    Attributes:
        size: (width, height) of the image.
        boxes: its objects.
    """

    size: tuple[int, int]
    boxes: tuple[Box, ...]


# ---------------------------------------------------------------------- COCO
def coco(root: Path) -> Found | None:
    """Read annotations/*.json, or SPLIT/_annotations.coco.json beside its images."""
    files = sorted({*root.glob('annotations/*.json'), *root.glob('*.json'), *root.glob('*/*.json')})
    files = [path for path in files if _looks_like_coco(path)]
    instances = [path for path in files if path.name.startswith('instances_')]
    files = instances or files
    return coco_files(files, root) if files else None


def _looks_like_coco(path: Path) -> bool:
    with path.open(encoding='utf-8', errors='replace') as file:
        head = file.read(1 << 16)
    whole = head if len(head) < 1 << 16 else head + path.read_text('utf-8', 'replace')[-(1 << 16) :]
    return '"images"' in whole or ('"annotations"' in whole and '"categories"' in whole)


def coco_files(files: Sequence[Path], root: Path | None, images: Path | None = None) -> Found:
    """Read annotation files of COCO JSON, of each a split by its name, or one that is not divided.

    Args:
        root: folder in which images are looked for.
        images: folder of the images, where it is given.

    Raises:
        DataError: what is wrong with a file; two files of one split, or of other categories.
    """
    found, problems, where = Found('COCO', '', {}), Problems(), {}
    for path in files:
        inside = path.parent.name if path.parent != root else ''  # the user's folder says nothing
        split = split_of(path.stem) or split_of(inside) or ''
        if split in found.splits:
            raise DataError(
                f'{where[split]} and {path} are both of {split or "one undivided set"}: name one, '
                '--coco FILE'
            )
        where[split] = path
        content = read_coco(path)
        check_coco(str(path), content, None if split == 'test' else split or 'train', problems)
        problems.raise_if_any()
        names = {c['id']: c['name'] for c in content['categories']}
        classes = tuple(names[i] for i in sorted(names))
        if found.classes not in (None, classes):
            first = next(iter(where.values()))
            raise DataError(
                f'the categories of {path} are {shown_names(classes)}, those of {first} are '
                f'{shown_names(found.classes)}: write the same ones, with the same ids, into both'
            )
        found.classes = classes
        found.splits[split] = _coco_items(path, content, names, root, images, split)
    found.notes += problems.warnings
    if '' in found.splits and len(found.splits) > 1:
        raise DataError(
            f'{where[""]} is of no split by its name, beside {shown_names(map(str, files))}: name '
            'the files that are meant, --coco FILE [FILE ...], with train, val or test in each name'
        )
    found.saw = ', '.join(_inside(path, root) for path in files)
    return found


def _inside(path: Path, root: Path | None) -> str:
    return str(path.relative_to(root)) if root and root in path.parents else str(path)


def _coco_items(
    path: Path,
    content: Mapping[str, Any],
    names: Mapping[int, str],
    root: Path | None,
    images: Path | None,
    split: str,
) -> list[Item]:
    objects: dict[Any, list[Box]] = {image['id']: [] for image in content['images']}
    for one in content['annotations']:
        more = {key: one[key] for key in COCO_KEYS if key in one}
        objects[one['image_id']].append(
            Box(names[one['category_id']], tuple(map(float, one['bbox'])), more)
        )
    folder = images or _images_of(path, content, root, split)
    return [
        Item(
            on_disk(folder, image['file_name']),
            Boxes((int(image['width']), int(image['height'])), tuple(objects[image['id']])),
            flat(image['file_name']),
        )
        for image in content['images']
    ]


def _images_of(path: Path, content: Mapping[str, Any], root: Path | None, split: str) -> Path:
    """Return the folder in which the files are that an annotation file names.

    Raises:
        DataError: the first is nowhere near; names the folders looked at.
    """
    first = content['images'][0]['file_name']
    tops = [path.parent, path.parent.parent, *([root] if root else [])]
    looked = [top for top in tops]
    for top in tops:
        for inner in ('images', 'img', 'JPEGImages'):
            looked.append(top / inner)
    for top in list(looked):
        if top.is_dir():
            looked += [folder for s, folder in by_split(top) if s == split]
    for folder in looked:
        if on_disk(folder, first).is_file():
            return folder
    tried = shown_names(dict.fromkeys(map(str, looked)))
    raise DataError(
        f'{first}, the first image of {path}, is not in {tried}: name the folder of the images, '
        '--images DIR'
    )


# ---------------------------------------------------------------------- Pascal VOC
def voc_xml(root: Path) -> Found | None:
    """Read one XML file an image, of Annotations/ and JPEGImages/, or of one folder."""
    folder = root / 'Annotations'
    folder = folder if folder.is_dir() else root / 'annotations'
    notes: list[str] = []
    if folder.is_dir() and any(folder.glob('*.xml')):
        images = [p for p in (root / 'JPEGImages', root / 'images') if p.is_dir()]
        items = _xml_items(folder, images[0] if images else root, notes)
        by_name = {item.name: item for item in items}
        splits = listed(root / 'ImageSets' / 'Main', by_name, notes) or {'': items}
        saw = f'{folder.name}/*.xml and {images[0].name if images else "."}/'
    else:
        inside = [(s, f) for s, f in by_split(root) if any(f.glob('*.xml'))]
        if not inside and not any(root.glob('*.xml')):
            return None
        splits = {s: _xml_items(f, f, notes) for s, f in inside or [('', root)]}
        saw = 'an XML file beside each image'
    classes = own_names(root)[0]
    return Found('Pascal VOC', saw, splits, classes or _categories(splits), None, None, notes)


def _categories(splits: Mapping[str, Sequence[Item]]) -> tuple[str, ...]:
    return tuple(
        sorted({box.category for items in splits.values() for i in items for box in i.label.boxes})
    )


def _xml_items(folder: Path, images: Path, notes: list[str]) -> list[Item]:
    problems, out = Problems(), []
    there = {flat(name): name for name in images_below(images)}
    for path in sorted(folder.glob('*.xml')):
        name = there.pop(composed(path.stem), None)
        if name is None:
            problems.add(
                f'annotations without an image in {images}',
                path.name,
                'Put the images there, or remove the annotations.',
            )
            continue
        boxes = _read_xml(path, images / name, problems)
        if boxes is not None:
            out.append(Item(images / name, boxes, composed(path.stem)))
    problems.raise_if_any()
    notes += problems.warnings
    if there:
        notes.append(
            f'{len(there)} images in {images} have no XML file and are left out: '
            f'{shown_names(sorted(there.values()), 3)}'
        )
    return out


def _read_xml(path: Path, image: Path, problems: Problems) -> Boxes | None:
    size = _size(image, problems)
    try:
        tree = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError, ValueError) as error:
        problems.add(
            'annotations that are no XML', f'{path} ({first_line(error)})', 'Write them again.'
        )
        return None
    if size is None:
        return None
    boxes = []
    for one in tree.iter('object'):
        name, box = one.findtext('name'), one.find('bndbox')
        corners = [
            box.findtext(k) if box is not None else None for k in ('xmin', 'ymin', 'xmax', 'ymax')
        ]
        try:
            x1, y1, x2, y2 = map(float, corners)
        except (TypeError, ValueError):
            problems.add(
                'objects without a name or without a box of four numbers',
                f'{path}: {name}, {shown_value(corners)}',
                'Write <name> and <bndbox> with xmin, ymin, xmax, ymax.',
            )
            continue
        if _check(path, size, (x1, y1, x2 - x1, y2 - y1), problems) and name:
            boxes.append(Box(name.strip(), (x1, y1, x2 - x1, y2 - y1)))
    return Boxes(size, tuple(boxes))


def _size(image: Path, problems: Problems) -> tuple[int, int] | None:
    """Return (width, height) as the image is read, upright."""
    try:
        return read_header(str(image)).upright
    except OSError as error:
        problems.add(
            'images that cannot be read',
            f'{image} ({error})',
            'Replace them, or remove them with their annotations.',
        )
        return None


def _check(path: Path, size: tuple[int, int], box: Sequence[float], problems: Problems) -> bool:
    """Return whether a box can be used; note one that leaves its image, warn of an empty one."""
    x, y, w, h = box
    shown = ', '.join(f'{v:g}' for v in (x, y, x + w, y + h))
    if not (w >= 1 and h >= 1):
        problems.warn(f'{path}: the box [{shown}] (x1, y1, x2, y2) is empty and left out')
        return False
    if x < -SLACK or y < -SLACK or x + w > size[0] + SLACK or y + h > size[1] + SLACK:
        problems.add(
            'boxes outside their image',
            f'{path}: [{shown}] (x1, y1, x2, y2) in an image of {size[0]} x {size[1]}',
            'Correct them, or take the images that were annotated.',
        )
        return False
    return True


# ---------------------------------------------------------------------- YOLO
def yolo(root: Path) -> Found | None:
    """Read data.yaml, images/ and labels/ with a text file an image: class, x, y, width, height."""
    tables = sorted(p for p in root.glob('*.y*ml') if 'names' in _yaml(p))
    folders = [p for p in (root / 'images', *root.glob('*/images')) if p.is_dir()]
    labels = [p for p in (root / 'labels', *root.glob('*/labels')) if any(p.rglob('*.txt'))]
    if not tables and not (folders and labels):
        return None
    if len(tables) > 1:
        raise UsageError(
            f'{shown_path(root)} has several files with the names of classes '
            f'({shown_names(p.name for p in tables)}): leave one there'
        )
    notes: list[str] = []
    names = _yolo_names(tables[0]) if tables else own_names(root)[0]
    splits = {}
    for split, folder in _yolo_folders(root, _yaml(tables[0]) if tables else {}):
        splits[split] = _yolo_items(folder, names, notes)
    if not splits:
        return None
    if names is None:
        most = max(
            (int(b.category) for i in splits.values() for s in i for b in s.label.boxes), default=0
        )
        names = tuple(f'class_{i}' for i in range(most + 1))
        splits = {s: [_named(i, names) for i in items] for s, items in splits.items()}
        notes.append(f'no data.yaml names the {len(names)} classes: name them, --classes a,b,c')
    saw = f'{tables[0].name if tables else "labels/*.txt"} and ' + ', '.join(
        f'{_inside(folder, root)}/'
        for _, folder in _yolo_folders(root, _yaml(tables[0]) if tables else {})
    )
    return Found('YOLO', saw, splits, names, None, None, notes)


def _named(item: Item, names: Sequence[str]) -> Item:
    boxes = tuple(b._replace(category=names[int(b.category)]) for b in item.label.boxes)
    return item._replace(label=item.label._replace(boxes=boxes))


def _yaml(path: Path) -> dict:
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f'{shown_path(path)} is no YAML: {first_line(error)}') from error
    return content if isinstance(content, dict) else {}


def _yolo_names(path: Path) -> tuple[str, ...]:
    names = _yaml(path)['names']
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise DataError(
                f'{shown_path(path)}: names = {shown_value(names)}, expected numbers 0 to '
                f'{len(names) - 1}'
            )
        names = [names[i] for i in sorted(names)]
    if not isinstance(names, list) or not names:
        raise DataError(f'{shown_path(path)}: names = {shown_value(names)}, expected a list')
    return tuple(map(str, names))


def _yolo_folders(root: Path, table: Mapping[str, Any]) -> list[tuple[str, Path]]:
    """Return (split, folder of images); as data.yaml says, else as folders are called."""
    out = []
    top = Path(table.get('path') or '.')
    for split in ('train', 'val', 'test'):
        given = table.get(split, table.get('valid') if split == 'val' else None)
        for text in [given] if isinstance(given, str) else given or []:
            tries = [root / text, root / top / text, root / str(text).removeprefix('../')]
            there = [path.resolve() for path in tries if path.is_dir() and images_below(path)]
            if there and (split, there[0]) not in out:
                out.append((split, there[0]))
    if out:
        return out
    for folder in (root / 'images',):
        if folder.is_dir():
            return list(by_split(folder)) or [('', folder)]
    return [(split, f / 'images') for split, f in by_split(root) if (f / 'images').is_dir()]


def _yolo_items(folder: Path, names: Sequence[str] | None, notes: list[str]) -> list[Item]:
    labels = Path(os.sep.join('labels' if p == 'images' else p for p in folder.parts))
    problems, out, empty = Problems(), [], 0
    if not labels.is_dir():
        labels = folder  # beside the images
    known = set()
    for name in images_below(folder):
        path = labels / Path(name).with_suffix('.txt')
        known.add(path)
        size = _size(folder / name, problems)
        if size is None:
            continue
        empty += not path.is_file()
        boxes = _read_yolo(path, size, names, problems) if path.is_file() else ()
        out.append(Item(folder / name, Boxes(size, tuple(boxes)), flat(name)))
    left = [p for p in labels.rglob('*.txt') if p not in known and p.name != 'classes.txt']
    if left:
        problems.warn(f'{len(left)} label files in {labels} have no image: {left[0].name}')
    problems.raise_if_any()
    notes += problems.warnings
    if empty:
        notes.append(f'{empty} of {len(out)} images in {folder} have no label file: no objects')
    return out


def _read_yolo(
    path: Path, size: tuple[int, int], names: Sequence[str] | None, problems: Problems
) -> list[Box]:
    boxes = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        words = line.split()
        if not words:
            continue
        where = f'{path}:{number}'
        try:
            values = list(map(float, words))
            if len(values) != 5 and not (len(values) > 6 and len(values) % 2):
                raise ValueError(f'{len(values)} numbers')
        except ValueError as error:
            problems.add(
                'lines of label files that are no class, x, y, width, height',
                f'{where}: {line[:60]!r} ({error})',
                'Write five numbers: the class, and the box as shares of width and height.',
            )
            continue
        index = int(values[0])
        if names is not None and not 0 <= index < len(names):
            problems.add(
                'labels beyond the classes',
                f'{where}: class {index}, there are {len(names)} (0 to {len(names) - 1})',
                'Name all classes in data.yaml, or correct the files.',
            )
            continue
        if len(values) == 5:
            cx, cy, w, h = values[1:]
        else:  # a polygon
            xs, ys = values[1::2], values[2::2]
            w, h = max(xs) - min(xs), max(ys) - min(ys)
            cx, cy = min(xs) + w / 2, min(ys) + h / 2
        if max(cx, cy, w, h) > 1.01:
            problems.add(
                'boxes that are no shares of width and height',
                f'{where}: {line[:60]!r}',
                'Divide x and width by the width of the image, y and height by its height.',
            )
            continue
        box = ((cx - w / 2) * size[0], (cy - h / 2) * size[1], w * size[0], h * size[1])
        if _check(Path(where), size, box, problems):
            boxes.append(Box(names[index] if names else str(index), box))
    return boxes


LAYOUTS: dict[str, Callable[[Path], Found | None]] = {'coco': coco, 'voc': voc_xml, 'yolo': yolo}
