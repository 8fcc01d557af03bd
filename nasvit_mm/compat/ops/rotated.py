"""Overlaps of rotated boxes: the area of the polygon that two rectangles share."""

from __future__ import annotations

import torch
from torch import Tensor

from nasvit_mm.compat.ops.kernel import kernel

TINY = 1e-9  # corners on an edge count as inside, whatever the rounding


@kernel
def box_iou_rotated(
    boxes1: Tensor, boxes2: Tensor, ious: Tensor, mode_flag: int, aligned: bool
) -> None:
    """Write the overlaps of rotated boxes into ``ious``.

    Args:
        boxes1: (n, 5): centre x, y, width, height, angle in radians, clockwise.
        boxes2: (m, 5).
        ious: (n * m,), overwritten, or (n,) if ``aligned``: pair by pair.
        mode_flag: 0 divides the intersection by the union, 1 by the area of the first box.
    """
    if aligned:
        ious.copy_(_overlaps(boxes1, boxes2, mode_flag))
        return
    for row, box in zip(ious.view(len(boxes1), len(boxes2)), boxes1):
        row.copy_(_overlaps(box.expand_as(boxes2), boxes2, mode_flag))


@kernel
def nms_rotated(
    dets: Tensor,
    scores: Tensor,
    order: Tensor,
    dets_sorted: Tensor,
    labels: Tensor,
    iou_threshold: float,
    multi_label: bool,
) -> Tensor:
    """Apply greedy suppression to rotated boxes.

    Args:
        dets: (n, 5), or (n, 6) whose last column is the label; unused, as is ``scores``.
        order: (n,), indices by falling score.
        dets_sorted: ``dets[order]``.
        labels: (n,) or empty; ``dets_sorted`` has them too.
        iou_threshold: a box is dropped if its overlap with a better one is at least this.
        multi_label: whether boxes of different labels leave each other alone.

    Returns:
        (kept,) int64, indices into ``dets``, best score first.
    """
    boxes, kept = dets_sorted[:, :5], []
    left = torch.arange(len(boxes), device=boxes.device)
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        near = _overlaps(boxes[best].expand(len(left), 5), boxes[left], 0) >= iou_threshold
        if multi_label:
            near &= dets_sorted[left, 5] == dets_sorted[best, 5]
        left = left[~near]
    return order[torch.stack(kept)] if kept else order[:0]


def _overlaps(first: Tensor, second: Tensor, mode: int) -> Tensor:
    """Return the overlaps of two (n, 5) lists of boxes, pair by pair, in float64."""
    first, second = first.double(), second.double()
    area1, area2 = first[:, 2:4].prod(1), second[:, 2:4].prod(1)
    common = _common_area(_corners(first, first[:, :2]), _corners(second, first[:, :2]))
    overlap = common / (area1 + area2 - common if mode == 0 else area1)
    # Some detectors hand on boxes without area; these overlap nothing, as in the compiled one.
    return torch.where((area1 < 1e-14) | (area2 < 1e-14), torch.zeros_like(overlap), overlap)


def _corners(boxes: Tensor, origin: Tensor) -> Tensor:
    """Return the four corners (n, 4, 2), in order, relative to an origin (n, 2)."""
    cos, sin = boxes[:, 4].cos() / 2, boxes[:, 4].sin() / 2
    across = torch.stack([cos, sin], 1) * boxes[:, 2:3]
    down = torch.stack([-sin, cos], 1) * boxes[:, 3:4]
    centre = (boxes[:, :2] - origin)[:, None]
    return centre + torch.stack([-across - down, across - down, across + down, down - across], 1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _common_area(p: Tensor, q: Tensor) -> Tensor:
    """Return the area shared by rectangles with corners (n, 4, 2): of a convex polygon.

    Its corners are where edges cross, and the corners of one rectangle inside the other.
    """
    n = len(p)
    p_edges, q_edges = p.roll(-1, 1) - p, q.roll(-1, 1) - q
    # Edge i of p at t crosses edge j of q at u: (n, 4, 4).
    steep = _cross(p_edges[:, :, None], q_edges[:, None])
    between = q[:, None] - p[:, :, None]
    parallel = steep.abs() < 1e-14
    steep = steep.masked_fill(parallel, 1)
    t = _cross(between, q_edges[:, None].expand_as(between)) / steep
    u = _cross(between, p_edges[:, :, None].expand_as(between)) / steep
    low, high = -TINY, 1 + TINY
    cross = ~parallel & (t >= low) & (t <= high) & (u >= low) & (u <= high)
    crossings = p[:, :, None] + t[..., None] * p_edges[:, :, None]

    points = torch.cat([crossings.flatten(1, 2), p, q], 1)  # (n, 24, 2)
    valid = torch.cat([cross.flatten(1), _inside(p, q, q_edges), _inside(q, p, p_edges)], 1)
    count = valid.sum(1).clamp(min=1)
    middle = (points * valid[..., None]).sum(1) / count[:, None]
    around = points - middle[:, None]
    angles = torch.atan2(around[..., 1], around[..., 0]).masked_fill(~valid, torch.inf)
    order = angles.argsort(1)
    around = around.gather(1, order[..., None].expand(n, 24, 2))
    # The invalid ones come last; as copies of the first they close the polygon.
    around = torch.where(valid.gather(1, order)[..., None], around, around[:, :1])
    area = _cross(around, around.roll(-1, 1)).sum(1).abs() / 2
    return torch.where(valid.any(1), area, torch.zeros_like(area))


def _inside(points: Tensor, corners: Tensor, edges: Tensor) -> Tensor:
    """Return (n, 4), whether points lie in the rectangle of corners and edges."""
    offset = points - corners[:, :1]
    result = torch.ones(offset.shape[:2], dtype=torch.bool, device=offset.device)
    for edge in (edges[:, 0], -edges[:, 3]):
        along = (offset * edge[:, None]).sum(-1)
        length = edge.square().sum(-1, keepdim=True)
        result &= (along >= -TINY * length) & (along <= (1 + TINY) * length)
    return result
