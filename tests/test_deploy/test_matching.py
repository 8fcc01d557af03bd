"""Which boxes of two predictions are the same."""

from __future__ import annotations

import numpy as np
import pytest

from nasvit_mm.deploy.matching import CLOSE, ROUGH, Objects, matched

BOXES = np.array([[0, 0, 40, 20], [10, 10, 30, 50], [50, 5, 90, 45], [0, 0, 0, 0]], np.float32)
SCORES = np.array([0.9, 0.5, 0.5, 0.0], np.float32)
LABELS = np.array([1, 2, 2, 0])
SEEN = Objects(BOXES, SCORES, LABELS)
MASKS = np.zeros((4, 10, 10), bool)


def test_the_same_boxes() -> None:
    assert matched(SEEN, SEEN, CLOSE) == (6, 6)  # three, from both


def test_equal_scores_have_no_order() -> None:
    order = [0, 2, 1, 3]
    assert matched(Objects(BOXES[order], SCORES[order], LABELS[order]), SEEN, CLOSE) == (6, 6)


@pytest.mark.parametrize(
    ('changed', 'of'),
    [
        (dict(boxes=BOXES + 2), 0),
        (dict(boxes=BOXES + 0.1), 6),
        (dict(labels=LABELS + 1), 0),
        (dict(scores=SCORES - np.array([0.1, 0, 0, 0], np.float32)), 4),
        (dict(boxes=BOXES * np.nan), 0),
        (dict(boxes=BOXES[[0, 0, 0, 3]]), 2),  # each serves once
    ],
)
def test_others(changed: dict[str, np.ndarray], of: int) -> None:
    assert matched(SEEN._replace(**changed), SEEN, CLOSE) == (of, 6)


def test_boxes_that_only_one_sees() -> None:
    assert matched(SEEN._replace(scores=SCORES * [1, 1, 0, 0]), SEEN, CLOSE) == (4, 5)
    assert matched(SEEN, SEEN._replace(scores=SCORES * 0), CLOSE) == (0, 3)


def test_boxes_near_the_threshold_may_be_missing() -> None:
    faint = SEEN._replace(scores=np.array([0.9, 0.5, 0.005, 0.0], np.float32))
    assert matched(SEEN._replace(scores=SCORES * [1, 1, 0, 0]), faint, CLOSE) == (4, 4)


def test_boxes_at_the_end_of_a_full_list_may_be_missing() -> None:
    full = Objects(BOXES[:2], SCORES[:2], LABELS[:2])
    assert matched(full, Objects(BOXES[:3], SCORES[:3], LABELS[:3]), CLOSE) == (2, 2)


def test_masks_are_those_of_the_boxes() -> None:
    other = MASKS.copy()
    other[1, :5] = True
    one, other = SEEN._replace(masks=MASKS), SEEN._replace(masks=other)
    assert matched(one, one, CLOSE) == (6, 6)
    assert matched(one, other, CLOSE) == (4, 6)


def test_less_precision_sees_the_same_objects() -> None:
    moved = SEEN._replace(boxes=BOXES + 3, scores=SCORES * 0.9)
    assert matched(moved, SEEN, CLOSE)[0] == 0
    assert matched(moved, SEEN, ROUGH) == (6, 6)
