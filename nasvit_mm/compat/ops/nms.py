"""Non-maximum suppression: plain, soft, and as groups of boxes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import nms as torchvision_nms

from nasvit_mm.compat.ops.kernel import kernel

NAIVE, LINEAR, GAUSSIAN = range(3)  # mmcv's numbers of the ways to weaken a score


@kernel
def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Apply greedy non-maximum suppression.

    Args:
        boxes: (n, 4), corners x1, y1, x2, y2.
        scores: (n,).
        iou_threshold: a box is dropped if its overlap with a better one is greater.
        offset: 0, or 1 if x2 and y2 are the last pixel inside the box.

    Returns:
        (kept,) int64, indices into ``boxes``, best score first.
    """
    if offset:
        # Lengths of boxes and of intersections are both x2 - x1 + offset, so moving the far corners
        # is exact.
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # mmcv orders equal scores, of which an untrained detector has many, by an unstable sort;
    # torchvision's sort is stable.  So sort as mmcv does and hand torchvision the ranks as scores.
    order = scores.sort(descending=True).indices
    ranks = torch.arange(len(order), 0, -1, device=boxes.device, dtype=boxes.dtype)
    return order[torchvision_nms(boxes[order], ranks, iou_threshold)]


@kernel
def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Weaken the scores of boxes that overlap better ones, and drop those that get too weak.

    Args:
        boxes: (n, 4) on the CPU.
        scores: (n,).
        dets: (n, 5); its first rows are overwritten by the kept boxes and their scores.
        iou_threshold: naive: an overlap from here on drops a box; linear: weakens it.
        sigma: of the Gaussian, whose variable is the overlap.
        min_score: a weakened box below it is dropped.
        method: 0, 1 or 2, that is naive, linear or gaussian.
        offset: as in ``nms``.

    Returns:
        (kept,) int64, indices into ``boxes``, in the order of ``dets``.
    """
    table = torch.cat([boxes, scores[:, None]], 1).float().numpy()
    order = np.arange(len(table))  # of the table, which the loop permutes as the compiled one does
    kept = 0
    while kept < len(table):
        best = kept + int(table[kept:, 4].argmax())  # the first of equal ones
        for array in (table, order):
            array[[kept, best]] = array[[best, kept]]
        rest = table[kept + 1 :]
        overlap = _overlaps(table[kept], rest, offset)
        if method == GAUSSIAN:
            factor = np.exp(-(overlap * overlap) / np.float32(sigma))
        else:
            less = 1 - overlap if method == LINEAR else np.zeros_like(overlap)
            factor = np.where(overlap >= np.float32(iou_threshold), less, np.float32(1))
        rest[:, 4] *= factor
        kept += 1
        left = kept + _filled(~(rest[:, 4] < np.float32(min_score)))
        table = np.concatenate([table[:kept], table[left]])
        order = np.concatenate([order[:kept], order[left]])
    dets[: len(table)] = torch.from_numpy(table)
    return torch.from_numpy(order)


def _filled(keep: np.ndarray) -> np.ndarray:
    """Return the kept indices in order, but the last ones moved into the gaps, from the end.

    The compiled loop overwrites a dropped box by the last one; among equal scores the order
    decides.
    """
    count = int(keep.sum())
    places = np.arange(count)
    gaps = np.flatnonzero(~keep[:count])
    places[gaps] = (count + np.flatnonzero(keep[count:]))[::-1]
    return places


@kernel
def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Group each box that greedy suppression keeps with those that it suppresses.

    Args:
        dets: (n, 5) on the CPU, corners and score.
        iou_threshold: a box belongs to a better one if their overlap is at least this.

    Returns:
        Per kept box its index and those of its group, all by falling score.
    """
    table = dets.float().numpy()
    left = dets[:, 4].sort(descending=True).indices.numpy()
    groups = []
    while len(left):
        near = _overlaps(table[left[0]], table[left[1:]], 0) >= np.float32(iou_threshold)
        groups.append([int(left[0]), *left[1:][near].tolist()])
        left = left[1:][~near]
    return groups


def _overlaps(box: np.ndarray, boxes: np.ndarray, offset: int) -> np.ndarray:
    """Return the intersection over union of one box with (n, 4 or more) boxes, in float32."""
    near, far = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:4], boxes[:, 2:4])
    common = (far - near + np.float32(offset)).clip(0).prod(1)
    own = (box[2:4] - box[:2] + np.float32(offset)).prod()
    areas = (boxes[:, 2:4] - boxes[:, :2] + np.float32(offset)).prod(1)
    with np.errstate(invalid='ignore'):  # two boxes without area overlap by 0 / 0
        return common / (own + areas - common)
