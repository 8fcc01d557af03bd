"""Labels in the files are compared with the classes that the head knows."""

from __future__ import annotations

import re
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from nasvit_mm.data import LabelCounts, Problems
from nasvit_mm.dense.check_labels import check_one_class, compare_with_head
from nasvit_mm.errors import DataError

SOFTMAX, SIGMOID = (SimpleNamespace(use_sigmoid=flag) for flag in (False, True))


def head(num_classes: int, ignore_index: int = 255, loss: Any = SOFTMAX) -> Any:
    return SimpleNamespace(num_classes=num_classes, ignore_index=ignore_index, loss_decode=loss)


def counts(*labels: int, split: str = 'train', looked: int = 8) -> LabelCounts:
    return LabelCounts(
        split, looked, 8, Counter({v: 10 + v for v in labels}), {v: f'ann/{v}.png' for v in labels}
    )


def compare(found: LabelCounts, num_classes: int, ignore: int = 255, **meta: Any) -> list[str]:
    problems = Problems()
    meta = dict(classes=[f'c{i}' for i in range(num_classes)], **meta)
    compare_with_head(found, meta, head(num_classes, ignore), 'model.decode_head', problems)
    problems.raise_if_any()
    return problems.warnings


def test_sound_labels_pass() -> None:
    assert compare(counts(0, 1, 2, 255), 3) == []
    assert compare(counts(0, 1, 2, 3), 3, reduce_zero_label=True) == []
    assert compare(counts(0, 1, 7), 2, label_map={7: 255}) == []


@pytest.mark.parametrize(
    ('labels', 'number', 'meta', 'expected'),
    [
        ((0, 255), 2, {}, r'never occurs: c1; there are labels 0 \(10 pixels\), 255 .*mask // 255'),
        ((255,), 2, {}, 'hold no pixel of any class, only 255 .265 pixels, ignored'),
        ((0, 1, 9), 3, {}, r'9 in 8 of 8 masks .* the first in ann/9.png; the head knows 0 to 2'),
        ((0, 1, 2, 3), 3, {}, 'reduce_zero_label=True .* there are 4 classes'),
        ((0, 1, 5), 3, dict(reduce_zero_label=True), 'takes 1 off each label'),
        ((0, 128), 2, {}, r'Write the classes as 0 to 1, .*\(now 0, 128\)'),
        ((1, 300), 300, dict(reduce_zero_label=True), 'more than 255 classes'),
    ],
)
def test_refused(labels: tuple, number: int, meta: dict, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        compare(counts(*labels), number, **meta)


@pytest.mark.parametrize(
    ('found', 'number', 'meta', 'expected'),
    [
        (counts(0, 1), 3, {}, 'never occurs: c2; there are labels 0'),
        (counts(255, split='val'), 3, {}, r'its metric will be undefined'),
        (
            counts(0, 1, 2, split='val'),
            3,
            dict(reduce_zero_label=True),
            r'last class \(c2\) never occurs .* 10 pixels of label 0 are dropped',
        ),
        (counts(*range(300)), 300, {}, r'class 255 \(c255\) of 300 is ignored'),
    ],
)
def test_warned_of(found: LabelCounts, number: int, meta: dict, expected: str) -> None:
    (line,) = compare(found, number, **meta)
    assert re.search(expected, line)


def test_rare_classes_of_a_sample_are_not_said() -> None:
    assert compare(counts(0, 1, looked=5), 3) == []


def test_255_is_a_class_where_the_head_ignores_another_label() -> None:
    assert compare(counts(*range(300)), 300, 65535) == []


@pytest.mark.parametrize(
    ('loss', 'why'), [(SOFTMAX, 'softmax of one class is always 1'), (SIGMOID, 'predicts two')]
)
def test_one_class(loss: Any, why: str) -> None:
    with pytest.raises(DataError, match=f'num_classes=1: .*{why}.*labels 0 .*out_channels=1'):
        check_one_class(head(1, loss=loss), 'model.decode_head', counts(0, 255))
    check_one_class(head(2, loss=loss), 'model.decode_head')


@pytest.mark.parametrize(
    ('wrong', 'advice', 'right'),
    [
        (((0, 255), 2), 'of masks of 0 and 255, mask // 255', ((0, 1), 2)),
        (
            ((0, 1, 2, 3), 3),
            'reduce_zero_label=True',
            ((0, 1, 2, 3), 3, dict(reduce_zero_label=True)),
        ),
        (((0, 1, 2, 3), 3), 'there are 4 classes: name them and set', ((0, 1, 2, 3), 4)),
        (((0, 128), 2), 'Write the classes as 0 to 1', ((0, 1), 2)),
        (((0, 1, 2, 9), 3), 'Correct the files', ((0, 1, 2), 3)),
        (
            (range(1, 301), 300, dict(reduce_zero_label=True)),
            'Write the labels minus one into the files, and leave reduce_zero_label out',
            (range(300), 300),
        ),
    ],
    ids=['0 and 255', 'from 1', 'one more class', 'two values', 'one label', 'many from 1'],
)
def test_the_remedies(wrong: tuple, advice: str, right: tuple) -> None:
    labels, number, *meta = wrong
    with pytest.raises(DataError, match=advice):
        compare(counts(*labels), number, **dict(*meta))
    labels, number, *meta = right
    ignored = 65535 if number > 255 else 255
    assert compare(counts(*labels), number, ignored, **dict(*meta)) == []
