"""Which of a detector's boxes are the same in two predictions: numpy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Tolerance(NamedTuple):
    """How far apart two predictions of the same image may be.

    Attributes:
        logit: of a pixel's logits, as a share of the largest one: so near labels are equally good;
            None: labels alone count.
        score: of a class or an object.
        pixels, share: of each edge of a box: so many pixels, and that share of its longer side.
        mask: share of a mask's numbers that are on the other side of the threshold.
    """

    logit: float | None
    score: float
    pixels: float
    share: float
    mask: float


CLOSE = Tolerance(0.001, 0.01, 0.5, 0.005, 0.02)  # by float32: rounding
ROUGH = Tolerance(None, 0.2, 4.0, 0.25, 0.25)  # by less precision: the same objects


class Objects(NamedTuple):
    """What a detector sees in one image, in any order.

    Attributes:
        boxes: (M, 4), x1, y1, x2, y2 in pixels.
        scores: (M,); 0: a place without a box.
        labels: (M,), whole numbers.
        masks: (M, h, w) bool; None: it makes none.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None = None


def matched(one: Objects, other: Objects, tolerance: Tolerance) -> tuple[int, int]:
    """Return how many objects of two predictions are in both, and how many there are, each counted
    in both.
    """
    found, back = _found(one, other, tolerance), _found(other, one, tolerance)
    return found[0] + back[0], found[1] + back[1]


def _found(wanted: Objects, found: Objects, tolerance: Tolerance) -> tuple[int, int]:
    """Return how many of some objects are found, and how many have to be.

    Each that is found serves once, so equal scores may come in any order.  What may be missing has
    a score near 0, or near the least where all places are taken.
    """
    there = found.scores > 0
    least = float(found.scores.min()) if there.size and there.all() else 0.0
    order = np.argsort(-wanted.scores, kind='stable')
    chosen = order[wanted.scores[order] > least + tolerance.score]
    free, number = there.copy(), 0
    for index in chosen:
        box = wanted.boxes[index]
        apart = np.abs(found.boxes - box).max(1)  # (M,) pixels
        fits = free & (found.labels == wanted.labels[index])
        fits &= apart <= tolerance.pixels + tolerance.share * max(box[2:] - box[:2])
        fits &= np.abs(found.scores - wanted.scores[index]) <= tolerance.score
        if not fits.any():
            continue
        best = int(np.argmin(np.where(fits, apart, np.inf)))
        free[best] = False
        masks = wanted.masks is not None and found.masks is not None
        if not masks or (found.masks[best] != wanted.masks[index]).mean() <= tolerance.mask:
            number += 1
    return number, len(chosen)
