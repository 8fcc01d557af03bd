"""Regions of interest on a map: their corners, their samples, bilinear reading and its reverse."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def on_map(rois: Tensor, scale: float, aligned: bool) -> tuple[Tensor, Tensor]:
    """Return the first corners and the lengths of regions, both (n, 2) as x, y.

    Args:
        rois: (n, 5): image index, x1, y1, x2, y2 in pixels of the image.
        aligned: whether pixel (0, 0) of the map lies at (0.5, 0.5); if not, no length is below 1.
    """
    corners = rois[:, 1:] * scale - (0.5 if aligned else 0)
    lengths = corners[:, 2:] - corners[:, :2]
    return corners[:, :2], lengths if aligned else lengths.clamp(min=1)


def by_samples(
    lengths: Tensor, size: tuple[int, int], ratio: int
) -> Iterator[tuple[Tensor, int, int]]:
    """Yield the indices of regions that have the same number of samples, rows and columns.

    Args:
        lengths: (n, 2) as x, y.
        size: bins of a region, height and width.
        ratio: rows and columns of samples of a bin; 0: one sample per pixel that it covers.
    """
    if ratio > 0:
        counts = lengths.new_full(lengths.shape, ratio)
    else:
        counts = (lengths / lengths.new_tensor(size[::-1])).ceil()
    for columns, rows in torch.unique(counts, dim=0).long().tolist():
        same = (counts == counts.new_tensor([columns, rows])).all(1)
        yield torch.nonzero(same).flatten(), rows, columns


def corners(y: Tensor, x: Tensor, height: int, width: int) -> list[tuple[Tensor, Tensor]]:
    """Return the four pixels around places, as indices y * W + x, and their bilinear weights.

    Up to one pixel beyond the border a place is moved to the border; further out it weighs 0.
    """
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    top, left = y.detach().floor(), x.detach().floor()
    below, right = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    dy, dx = y - top, x - left
    return [
        ((row * width + column).long(), row_weight * column_weight * inside)
        for row, row_weight in ((top, 1 - dy), (below, dy))
        for column, column_weight in ((left, 1 - dx), (right, dx))
    ]


def scatter(total: Tensor, rois: Tensor, index: Tensor, values: Tensor) -> None:
    """Add values of regions to the maps that they came from.

    Args:
        total: (N, C, H, W), changed.
        rois: (n, 5); the first column is the image.
        index: (n, C, h, w), y * W + x.
        values: (n, C, h, w).
    """
    _, channels, height, width = total.shape
    planes = rois[:, :1].long() * channels + torch.arange(channels, device=total.device)
    flat = planes[:, :, None, None] * (height * width) + index
    total.view(-1).index_add_(0, flat.flatten(), values.to(total.dtype).flatten())
