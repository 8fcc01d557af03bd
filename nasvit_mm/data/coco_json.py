"""COCO's annotation files: read, and compared with what COCO's format says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nasvit_mm.data.coco_masks import check_segmentations
from nasvit_mm.data.coco_values import Content, has_size, is_id, is_number, named, shown
from nasvit_mm.data.report import Problems, some
from nasvit_mm.errors import DataError, first_line, shown_path

LISTS = {
    'images': dict(id='an integer', file_name='a string'),
    'categories': dict(id='an integer', name='a string'),
    'annotations': dict(
        id='an integer', image_id='the id of an image', category_id='the id of a category'
    ),
}

UNANNOTATED = (
    '. Images without annotations can be predicted and not evaluated: nasvit-mm test CONFIG '
    'CHECKPOINT --out DIR'
)
REPEATED = {
    'file_name': 'Name each image once, with all its annotations.',
    'name': 'Give each category another name, or its boxes one id, and remove the other.',
}


def read_coco(path: str | Path, annotated: bool = True) -> Content:
    """Read an annotation file.

    Args:
        annotated: whether there have to be annotations.

    Raises:
        DataError: it is empty, cut, binary or no such file, or a list is missing in it.
    """
    where = shown_path(path)
    try:
        text = Path(path).read_text(encoding='utf-8')
        if not text.strip():
            raise DataError(f'{where} is empty, expected annotations in COCO JSON: write it again')
        if text.startswith('\ufeff'):
            raise DataError(
                f'{where} begins with a byte order mark, on which mmdet fails: save it as UTF-8 '
                'without BOM'
            )
        content = json.loads(text)
    except OSError as error:
        raise DataError(f'{where} cannot be read: {error.strerror or error}') from error
    except UnicodeDecodeError as error:
        raise DataError(f'{where} is no text, expected COCO JSON: {error}') from error
    except json.JSONDecodeError as error:
        cut = not text.rstrip().endswith('}')
        raise DataError(
            f'{where} is no whole JSON: {error}{" (it ends too early)" * cut}; copy or write it '
            'again'
        ) from error
    except DataError:
        raise
    except ValueError as error:  # an integer of more digits than Python reads
        raise DataError(f'{where}: {first_line(error)}; correct the number') from error
    except RecursionError as error:
        raise DataError(f'{where} is nested too deeply, expected COCO JSON') from error
    if not isinstance(content, dict):
        raise DataError(
            f'{where} holds a {type(content).__name__}, expected an object with the lists '
            f'{", ".join(LISTS)}'
        )
    for name in LISTS:
        if name == 'annotations' and not annotated and name not in content:
            continue
        if not isinstance(content.get(name), list):
            found = type(content[name]).__name__ if name in content else 'nothing'
            raise DataError(
                f"{where} holds {found} as '{name}', expected a list; its keys: "
                f'{some(list(content), 10) or "none"}'
                + (UNANNOTATED if name == 'annotations' else '')
            )
    return content


def check_coco(
    path: str,
    content: Content,
    split: str | None,
    problems: Problems,
    *,
    masks: bool = False,
    polygons: bool = False,
    boxes: bool = True,
) -> None:
    """Compare a file's content with COCO's format; boxes with the sizes that it gives.

    Args:
        path: of the file, for messages.
        content: what :func:`read_coco` read.
        split: ``'train'``, ``'val'`` or ``'test'``; only training cannot do without boxes.  None:
            there need not be any.
        problems: takes what is wrong.
        masks: whether segmentations are used.
        polygons: whether only those that are polygons are.
        boxes: whether boxes are compared with the sizes of their images.
    """
    here = f'in {path}'
    if not content['images']:
        problems.add(f'empty lists {here}', "'images'", 'Name the images there.')
        return
    whole = [_check_keys(name, content.get(name, ()), here, problems) for name in LISTS]
    if not all(whole):
        return  # what follows reads those keys
    texts = [image for image in content['images'] if isinstance(image['id'], str)]
    for image in texts if len(texts) < len(content['images']) else ():
        problems.add(
            f"images {here} whose 'id' is a text, while those of others are numbers",
            f'image {named(image)}',
            "Write all ids as numbers, and the 'image_id' of annotations.",
        )
    for name in LISTS:
        _check_repeated(name, content.get(name, ()), here, problems)
    _check_sizes(content['images'], here, problems)
    annotations = content.get('annotations', ())
    if annotations and not content['categories']:
        problems.add(
            f'empty lists {here}',
            "'categories'",
            "Name the classes there, each with 'id' and 'name'.",
        )
        return
    images = {image['id']: image for image in content['images']}
    categories = {category['id'] for category in content['categories']}
    _check_references(annotations, images, categories, here, problems)
    sound = [a for a in annotations if _check_values(a, here, problems)]
    if boxes:
        _check_boxes(sound, images, here, problems)
    _warn_of_missing(annotations, path, problems)
    if masks:
        check_segmentations(sound, images, split, here, problems, polygons)
    if split:
        _check_used(path, content, split, problems)


# ---------------------------------------------------------------------- keys and ids
def _check_keys(name: str, items: Iterable[Any], here: str, problems: Problems) -> bool:
    """Find items without a key, or with a value of another type; return whether there are none."""
    before = problems.count
    singular = {'images': 'image', 'categories': 'category', 'annotations': 'annotation'}[name]
    for i, item in enumerate(items):
        if not isinstance(item, Mapping):
            problems.add(
                f'entries of {name} {here} that are no objects',
                f'{name}[{i}] = {shown(item)}',
                f'Each is an object with {", ".join(LISTS[name])}.',
            )
            continue
        for key, expected in LISTS[name].items():
            value = item.get(key)
            right = isinstance(value, str) if expected == 'a string' else is_id(value)
            if (name, key) in (('images', 'id'), ('annotations', 'image_id')):
                right = right or isinstance(value, str)  # compared with one another below
            if not right:
                found = f'{key} = {shown(value)}' if key in item else f'no {key}'
                problems.add(
                    f"{name} {here} whose '{key}' is not {expected}",
                    f'{singular} {named(item, i)}: {found}',
                    f"Give each {singular} '{key}', {expected}"
                    f'{", a number and not a text" * (expected != "a string")}.',
                )
    return problems.count == before


def _check_repeated(name: str, items: Iterable[Any], here: str, problems: Problems) -> None:
    keys = dict(images=('id', 'file_name'), categories=('id', 'name')).get(name, ('id',))
    for key in keys:
        for value, n in Counter(item[key] for item in items).items():
            if n > 1:
                problems.add(
                    f"values of '{key}' of {name} {here} that occur more than once",
                    f'{key} {shown(value)} ({n} times)',
                    REPEATED.get(key, f'Number the {name} from 1, each once.'),
                )


def _check_references(
    annotations: Iterable[Content],
    images: Mapping[Any, Content],
    categories: set[Any],
    here: str,
    problems: Problems,
) -> None:
    for one in annotations:
        for key, known, what in (
            ('image_id', images, 'images'),
            ('category_id', categories, 'categories'),
        ):
            if one[key] not in known:
                problems.add(
                    f"annotations {here} whose '{key}' is not among the ids of its {what}",
                    f'annotation {one["id"]}: {key} = {shown(one[key])}',
                    f'Correct the id or remove the annotation; ids of {what}: '
                    f'{some(sorted(known, key=str), 10)}.',
                )


# ---------------------------------------------------------------------- numbers
def _check_sizes(images: Iterable[Content], here: str, problems: Problems) -> None:
    for image in images:
        if not has_size(image):
            found = ', '.join(
                f'{key} = {shown(image[key])}' if key in image else f'no {key}'
                for key in ('width', 'height')
            )
            problems.add(
                f'images {here} without a size in pixels',
                f'image {named(image)}: {found}',
                "Give each image 'width' and 'height', as its file has them.",
            )


def _check_values(one: Content, here: str, problems: Problems) -> bool:
    box = one.get('bbox')
    right = isinstance(box, list) and len(box) == 4 and all(map(is_number, box))
    if not right:
        problems.add(
            f"annotations {here} whose 'bbox' is not four finite numbers [x, y, width, height]",
            f'annotation {one["id"]}: {f"bbox = {shown(box)}" if "bbox" in one else "no bbox"}',
            'Correct them or remove the annotations.',
        )
    elif box[2] < 0 or box[3] < 0:
        problems.add(
            f'annotations {here} with a box of negative width or height',
            f'annotation {one["id"]}: bbox = {shown(box)}',
            'A bbox is [x of the left edge, y of the top edge, width, height] in pixels.',
        )
        right = False
    if one.get('iscrowd', 0) not in (0, 1):
        problems.add(
            f"annotations {here} whose 'iscrowd' is neither 0 nor 1",
            f'annotation {one["id"]}: iscrowd = {shown(one["iscrowd"])}',
            'Set 0 for a single object, 1 for a group that is not evaluated.',
        )
    area = one.get('area', 0)
    if not is_number(area) or area < 0:
        problems.add(
            f"annotations {here} whose 'area' is no number of at least 0",
            f'annotation {one["id"]}: area = {shown(area)}',
            'Set the pixels of the mask, or width x height of the box.',
        )
    return right


def _check_boxes(
    annotations: list[Content], images: Mapping[Any, Content], here: str, problems: Problems
) -> None:
    """Find boxes in other units or corners, outside their image, or leaving it."""
    known = [
        (one, one['bbox'], images[one['image_id']])
        for one in annotations
        if one['image_id'] in images and has_size(images[one['image_id']])
    ]
    if not known:
        return
    big = [k for k in known if min(k[2]['width'], k[2]['height']) > 8]
    if big and all(-0.01 <= min(b) and max(b) <= 1.01 for _, b, _ in big):
        one, box, image = big[0]
        problems.add(
            f'boxes {here} that are all between 0 and 1',
            f'annotation {one["id"]}: bbox = {shown(box)} in {image["file_name"]} of '
            f'{image["width"]} x {image["height"]}',
            'A bbox is in pixels: multiply x and width by the image width, y and height by its '
            'height; the area by both. If x and y are the middle of the box, as YOLO has them, '
            'take off half its width and height.',
        )
        return
    leaving = [k for k in known if _leaves(k[1], k[2])]
    if leaving and all(b[2] > b[0] and b[3] > b[1] for _, b, _ in known):
        for one, box, image in leaving:
            problems.add(
                f'boxes {here} that leave their image, where all look like [x1, y1, x2, y2]',
                f'annotation {one["id"]}: bbox = {shown(box)} in {image["file_name"]} of '
                f'{image["width"]} x {image["height"]}',
                'A bbox is [x, y, width, height]: write [x1, y1, x2 - x1, y2 - y1].',
            )
        return
    for one, box, image in leaving:
        x, y, w, h = box
        if x >= image['width'] or y >= image['height'] or x + w <= 0 or y + h <= 0:
            problems.add(
                f'boxes {here} that are outside their image',
                f'annotation {one["id"]}: bbox = {shown(box)} in {image["file_name"]} of '
                f'{image["width"]} x {image["height"]}',
                'A bbox is [x, y, width, height] in pixels: correct them or remove the '
                'annotations.',
            )
    if leaving:
        one, box, image = leaving[0]
        problems.warn(
            f'{len(leaving)} of {len(known)} boxes {here} leave their image, the first: annotation '
            f'{one["id"]}: bbox = {shown(box)} in {image["file_name"]} of {image["width"]} x '
            f'{image["height"]}; a bbox begins at its left and top edge, not in its middle'
        )
    small = [one['id'] for one, box, _ in known if box[2] < 1 or box[3] < 1]
    if len(small) == len(known):
        one, box, image = known[0]
        problems.add(
            f'boxes {here} that are all narrower than a pixel, so that none is used',
            f'annotation {one["id"]}: bbox = {shown(box)} in {image["file_name"]} of '
            f'{image["width"]} x {image["height"]}',
            'A bbox is [x, y, width, height] in pixels.',
        )
    elif small:
        problems.warn(
            f'{len(small)} of {len(known)} boxes {here} are narrower than a pixel and not used: '
            f'annotations {some(small)}'
        )


def _leaves(box: list[float], image: Content) -> bool:
    x, y, w, h = box
    slack = 2.0  # pixels, for boxes are rounded
    return (
        x < -slack
        or y < -slack
        or x + w > image['width'] + slack
        or y + h > image['height'] + slack
    )


def _warn_of_missing(annotations: list[Content], path: str, problems: Problems) -> None:
    """Say what :mod:`nasvit_mm.data.coco_complete` adds."""
    for key, value in (('iscrowd', '0'), ('area', 'the area of the box')):
        missing = sum(key not in one for one in annotations)
        if missing:
            problems.warn(
                f"{missing} of {len(annotations)} annotations in {path} have no '{key}': "
                f'{value} is taken'
            )


# ---------------------------------------------------------------------- what is used
def _check_used(path: str, content: Content, split: str, problems: Problems) -> None:
    annotations = content.get('annotations', ())
    used = [a for a in annotations if not a.get('iscrowd') and not a.get('ignore')]
    if not used:
        why = (
            f'all its {len(annotations)} annotations have iscrowd=1'
            if annotations
            else 'it has no annotations'
        )
        if split == 'train':
            problems.add(
                'training sets without a box to train by',
                f'{path}: {why}',
                'Set iscrowd=0 for single objects, or name another ann_file.',
            )
        else:
            problems.warn(
                f'{path} ({split}) has no box to evaluate by, {why}: its metric will be undefined'
            )
        return
    if split == 'train':
        counts = Counter(a['category_id'] for a in used)
        never = [c['name'] for c in content['categories'] if not counts[c['id']]]
        if never:
            problems.warn(f'no box of {path} is of the categories {some(never)}')
