"""Boxes of COCO, Pascal VOC and YOLO are the same ones; wrong ones are named with their file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nasvit_mm.errors import UsageError
from nasvit_mm.own_data import find_layout
from tests.test_own_data import drawn
from tests.test_own_data.drawn import scene


@pytest.mark.parametrize('draw', [drawn.coco, drawn.voc_xml, drawn.yolo], ids=lambda d: d.__name__)
def test_boxes(tmp_path: Path, draw: Callable) -> None:
    found = find_layout(draw(tmp_path), 'det')
    assert found.classes == ('cup',)
    for items in found.splits.values():
        for item in items:
            (box,) = item.label.boxes
            assert box.category == 'cup' and item.label.size == (64, 48)
            assert box.bbox == pytest.approx(scene(int(item.name))[2])


OUTSIDE = (
    '<object><name>cup</name><bndbox><xmin>10</xmin><ymin>1</ymin><xmax>90</xmax>'
    '<ymax>40</ymax></bndbox></object>'
)


@pytest.mark.parametrize(
    'draw, message',
    [
        (lambda p: drawn.voc_xml(p, OUTSIDE), r'000.xml: \[10, 1, 90, 40\].* of 64 x 48'),
        (lambda p: drawn.voc_xml(p, '{box}<object></object>'), 'without a box of four numbers'),
        (lambda p: drawn.voc_xml(p, '<open>'), 'no XML.*000.xml'),
        (lambda p: drawn.yolo(p, '3 {cx} {cy} {w} {h}'), '000.txt:1: class 3, there are 1'),
        (lambda p: drawn.yolo(p, '0 20 30 14 12'), 'no shares of width and height.*000.txt:1'),
        (lambda p: drawn.yolo(p, '0 0.5 0.5'), 'no class, x, y, width, height.*000.txt:1'),
        (lambda p: drawn.coco(p, bbox=[900, 900, 5, 5]), 'outside their image'),
    ],
    ids=['outside', 'no box', 'no xml', 'beyond the classes', 'pixels', 'three numbers', 'coco'],
)
def test_wrong_boxes(tmp_path: Path, draw: Callable, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_layout(draw(tmp_path), 'det')


def test_annotations_without_their_image(tmp_path: Path) -> None:
    data = drawn.voc_xml(tmp_path)
    (data / 'JPEGImages/002.jpg').unlink()
    with pytest.raises(UsageError, match='annotations without an image in .*: 002.xml'):
        find_layout(data, 'det')


def test_accents_in_the_other_form_than_in_the_json(tmp_path: Path) -> None:
    data = drawn.coco(tmp_path)
    (data / 'images/000.jpg').rename(data / 'images/ro\u0308t.jpg')
    text = (data / 'boxes.json').read_text('utf-8')
    drawn.write(data / 'boxes.json', text.replace('000.jpg', 'r\u00f6t.jpg'))
    items = find_layout(data, 'det').splits['']
    assert all(item.image.is_file() for item in items)


def test_a_box_of_no_size_is_left_out_and_said(tmp_path: Path) -> None:
    found = find_layout(drawn.yolo(tmp_path, '0 {cx} {cy} 0 {h}'), 'det')
    assert sum('is empty and left out' in line for line in found.notes) == 6
