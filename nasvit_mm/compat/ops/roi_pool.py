"""Region-of-interest max pooling over whole pixels, as in Fast R-CNN; a loop over the regions."""

from __future__ import annotations

import torch
from torch import Tensor

from nasvit_mm.compat.ops.kernel import at_least_float32, kernel
from nasvit_mm.compat.ops.regions import scatter


@kernel
def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the maximum of every bin of whole pixels into ``output``.

    torchvision's ``roi_pool`` rounds the corners of regions, and mmcv's does not.

    Args:
        input: (N, C, H, W).
        rois: (n, 5): image index, x1, y1, x2, y2; the last pixel belongs to the region.
        output: (n, C, pooled_height, pooled_width), overwritten; 0 where a bin is empty.
        argmax: like ``output``, int32, overwritten: y * W + x of the maximum, -1 without one.
    """
    output.zero_()
    argmax.fill_(-1)
    height, width = input.shape[2:]
    (rois,) = at_least_float32(rois)
    near, far = rois[:, 1:3] * spatial_scale, (rois[:, 3:] + 1) * spatial_scale
    x_bins = _bins(near[:, :1], far[:, :1], pooled_width, width)
    y_bins = _bins(near[:, 1:], far[:, 1:], pooled_height, height)
    images = rois[:, 0].long().tolist()
    for i in torch.nonzero((far > near).all(1)).flatten().tolist():
        maps = input[images[i]]
        for column, (x1, x2) in enumerate(x_bins[i]):
            if x2 <= x1:
                continue
            rows, x = maps[:, :, x1:x2].max(-1)  # (C, H)
            for row, (y1, y2) in enumerate(y_bins[i]):
                if y2 > y1:
                    output[i, :, row, column], y = rows[:, y1:y2].max(-1)
                    at = x.gather(1, y[:, None] + y1)[:, 0] + x1
                    argmax[i, :, row, column] = ((y + y1) * width + at).to(argmax.dtype)


def _bins(near: Tensor, far: Tensor, count: int, length: int) -> list[list[list[int]]]:
    """Return the first and the end pixel of every bin of every region along one axis."""
    edges = torch.arange(count + 1, device=near.device) * ((far - near) / count) + near
    first, end = edges[:, :-1].floor(), edges[:, 1:].ceil()
    return torch.stack([first, end], -1).clamp(0, length).int().tolist()


@kernel
def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the gradient of ``roi_pool_forward``'s input into ``grad_input`` (N, C, H, W)."""
    (grad_output,) = at_least_float32(grad_output)
    total = grad_output.new_zeros(grad_input.shape)
    scatter(total, rois, argmax.clamp(min=0).long(), grad_output * (argmax >= 0))
    grad_input.copy_(total)
