"""Segmentations of COCO JSON: polygons and run lengths that give the mask of their object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nasvit_mm.data.coco_values import Content, has_size, is_number, shown
from nasvit_mm.data.report import Problems

SHAPES = (
    'a list of polygons [[x1, y1, x2, y2, x3, y3, ..], ..] of at least three points each, or '
    "dict(size=[height, width], counts=...) of pycocotools' run lengths"
)
SMALL = 4  # pixels of a box below which rounding moves a polygon out of it


def check_segmentations(
    annotations: list[Content],
    images: Mapping[Any, Content],
    split: str | None,
    here: str,
    problems: Problems,
    polygons: bool = False,
) -> None:
    """Find segmentations that give no mask, and polygons that are elsewhere than their box.

    mmdet leaves out polygons of too few points when it trains, and takes numbers on trust;
    pycocotools, which evaluates, fails on them.

    Args:
        polygons: whether only polygons are read, by ``poly2mask=False``.
    """
    apart, compared = [], 0
    short = []
    for one in annotations:
        wrong = _what_is_wrong(one, images.get(one['image_id'], {}))
        if wrong:
            problems.add(
                f'annotations {here} without a usable segmentation, which this model trains by',
                f'annotation {one["id"]}: {wrong}',
                f'A segmentation is {SHAPES}: write those, or train a detector of boxes '
                '(configs/det/*_bccd.py).',
            )
            continue
        found = one['segmentation']
        if isinstance(found, Mapping):
            continue
        useless = [polygon for polygon in found if not _has_points(polygon)]
        if useless:
            short.append(f'annotation {one["id"]}: {shown(useless[0])}')
        if min(one['bbox'][2:]) >= SMALL:
            compared += 1
            extent = _extent(polygon for polygon in found if _has_points(polygon))
            if _overlap(extent, one['bbox']) < 0.5:
                apart.append(
                    f'annotation {one["id"]}: polygons in {shown(extent)}, bbox = '
                    f'{shown(one["bbox"])}'
                )
    if polygons and split == 'train':
        _report_run_lengths(annotations, here, problems)
    _report_short(short, len(annotations), split, here, problems)
    _report_apart(apart, compared, here, problems)


def _report_run_lengths(annotations: list[Content], here: str, problems: Problems) -> None:
    """Find single objects that mmdet ignores in training, box and mask, for their masks are run
    lengths; groups (iscrowd) it ignores in any case.
    """
    single = [one for one in annotations if not one.get('iscrowd')]
    left = [one['id'] for one in single if isinstance(one.get('segmentation'), Mapping)]
    what = f'segmentations {here} by run lengths, which LoadAnnotations(poly2mask=False) ignores'
    remedy = 'set poly2mask=True in LoadAnnotations, of all pipelines that train'
    if left and len(left) == len(single):
        problems.add(
            f'{what}, so that nothing is left to train by',
            f'all {len(left)} annotations of single objects',
            f'{remedy[0].upper()}{remedy[1:]}.',
        )
    elif left:
        problems.warn(
            f'{len(left)} of {len(single)} {what} in training, with their boxes, the first: '
            f'annotation {left[0]}; {remedy}'
        )


def _report_short(
    short: list[str], number: int, split: str | None, here: str, problems: Problems
) -> None:
    """Refuse where they are evaluated, which fails on them; in training they are left out."""
    if short and split == 'train':
        problems.warn(
            f'{len(short)} of {number} annotations {here} have polygons of fewer than three '
            f'points, or of an odd number of values, which are not used, the first: {short[0]}'
        )
    for example in short if split != 'train' else ():
        problems.add(
            f'annotations {here} with polygons of fewer than three points, or of an odd number of '
            'values',
            example,
            'Remove those polygons.',
        )


def _report_apart(apart: list[str], compared: int, here: str, problems: Problems) -> None:
    """Refuse where it is the rule; a few may be meant, of objects that something hides."""
    if apart and len(apart) <= compared / 2:
        problems.warn(
            f'{len(apart)} of {compared} annotations {here} have polygons (x, y, width, height) '
            f'that overlap their box by less than half, the first: {apart[0]}'
        )
        return
    for example in apart:
        problems.add(
            f'annotations {here} whose polygons (x, y, width, height) overlap their box by less '
            'than half',
            example,
            'Polygons are [x1, y1, x2, y2, ..] in pixels of the image, as the bbox is: scale them '
            'by the image size if they are between 0 and 1, and write x before y.',
        )


def _what_is_wrong(one: Content, image: Content) -> str:
    """Return what keeps a segmentation from being a mask; nothing if it is one."""
    found = one.get('segmentation')
    if isinstance(found, Mapping):
        return _wrong_lengths(found, image)
    if not isinstance(found, list) or not found:
        return f'segmentation = {shown(found)}' if 'segmentation' in one else 'no segmentation'
    for polygon in found:
        if not isinstance(polygon, list) or not all(map(is_number, polygon)):
            return f'segmentation = {shown(found)}'
    if not any(map(_has_points, found)):
        return f'segmentation = {shown(found)}'
    return ''


def _wrong_lengths(found: Mapping[str, Any], image: Content) -> str:
    size, counts = found.get('size'), found.get('counts')
    lengths = _lengths(counts)
    if lengths is None:
        return f'segmentation = {shown(dict(found))}'
    if not has_size(image):
        return ''  # said already
    expected = [image['height'], image['width']]
    if size != expected:
        return f'run lengths of [height, width] = {shown(size)} in an image of {expected}'
    total, pixels = sum(lengths), int(expected[0] * expected[1])
    if total != pixels or min(lengths) < 0:
        return f'run lengths of {total} pixels in all, in an image of {pixels}'
    return ''


def _lengths(counts: Any) -> list[int] | None:
    """Return run lengths, also from pycocotools' text; None if there are none.

    A character holds five bits of a number, lowest first, and whether more follow; from the third
    number on it is the difference to the one two before (cocoapi, maskApi.c, ``rleFrString``).
    Decoding in Python finds what pycocotools would write beyond the end of a mask.
    """
    if isinstance(counts, list):
        whole = all(is_number(n) and n == int(n) for n in counts)
        return [int(n) for n in counts] if counts and whole else None
    if not isinstance(counts, str) or not counts:
        return None
    out: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        out.append(value + (out[-2] if len(out) > 2 else 0))
        value = shift = 0
    return None if shift else out


def _has_points(polygon: list[float]) -> bool:
    return len(polygon) >= 6 and len(polygon) % 2 == 0


def _extent(polygons: Iterable[list[float]]) -> list[float]:
    """Return the box (x, y, width, height) around polygons."""
    points = [value for polygon in polygons for value in polygon]
    xs, ys = points[::2], points[1::2]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _overlap(one: list[float], other: list[float]) -> float:
    """Return the intersection over union of two boxes (x, y, width, height)."""
    width, height = (
        max(0, min(one[i] + one[i + 2], other[i] + other[i + 2]) - max(one[i], other[i]))
        for i in (0, 1)
    )
    union = one[2] * one[3] + other[2] * other[3] - width * height
    return width * height / union if union else 0.0
