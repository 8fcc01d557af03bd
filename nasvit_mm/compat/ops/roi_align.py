"""Region-of-interest align, average and maximum, on torchvision's kernels."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import roi_align

from nasvit_mm.compat.ops.kernel import at_least_float32, kernel
from nasvit_mm.compat.ops.regions import by_samples, corners, on_map, scatter

MAXIMUM = 0  # of mmcv's pool_mode; 1 is the average


@kernel
def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the region-of-interest align into ``output``.

    Args:
        input: (N, C, H, W).
        rois: (n, 5): image index, x1, y1, x2, y2.
        output: (n, C, aligned_height, aligned_width), overwritten.
        argmax_y, argmax_x: like ``output``, overwritten by the place of each maximum; unused by
            average pooling.
        pool_mode: 1 for average, 0 for maximum.
    """
    input, rois = at_least_float32(input, rois)
    rois, size = rois.to(input.dtype), (aligned_height, aligned_width)
    if pool_mode != MAXIMUM:
        output.copy_(roi_align(input, rois, size, spatial_scale, sampling_ratio, aligned))
        return
    first, lengths = on_map(rois, spatial_scale, aligned)
    for which, rows, columns in by_samples(lengths, size, sampling_ratio):
        rows, columns = max(rows, 1), max(columns, 1)  # an empty region has one sample
        # The samples of a bin are the centres of so many smaller bins.
        fine_size = (aligned_height * rows, aligned_width * columns)
        fine = roi_align(input, rois[which], fine_size, spatial_scale, 1, aligned)
        # (n, C, h * rows, w * columns) -> (n, C, h, w, rows * columns)
        fine = fine.unflatten(3, (-1, columns)).unflatten(2, (-1, rows))
        best, index = fine.transpose(3, 4).flatten(4).max(-1)
        output[which] = best.to(output.dtype)
        x = torch.arange(aligned_width, device=index.device) * columns + index % columns
        y = torch.arange(aligned_height, device=index.device)[:, None] * rows + index // columns
        steps = lengths[which] / lengths.new_tensor(fine_size[::-1])
        for argmax, places, axis in ((argmax_x, x, 0), (argmax_y, y, 1)):
            begin, step = (v[:, axis, None, None, None] for v in (first[which], steps))
            argmax[which] = (begin + (places + 0.5) * step).to(argmax.dtype)


@kernel
def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the gradient of ``roi_align_forward``'s input into ``grad_input`` (N, C, H, W)."""
    grad_output, rois = at_least_float32(grad_output, rois)
    rois = rois.to(grad_output.dtype)
    if pool_mode != MAXIMUM and torch.are_deterministic_algorithms_enabled():
        # Of that kernel a GPU has no deterministic form; torchvision's public function knows.
        with torch.enable_grad():
            input = torch.zeros_like(grad_input, dtype=grad_output.dtype).requires_grad_()
            size = (aligned_height, aligned_width)
            found = roi_align(input, rois, size, spatial_scale, sampling_ratio, aligned)
            grad_input.copy_(*torch.autograd.grad(found, input, grad_output))
        return
    if pool_mode != MAXIMUM:
        # This is the kernel behind torchvision's own autograd; with its public function each
        # backward would cost one more forward.
        grad_input.copy_(
            torch.ops.torchvision._roi_align_backward(
                grad_output,
                rois,
                spatial_scale,
                aligned_height,
                aligned_width,
                *grad_input.shape,
                sampling_ratio,
                aligned,
            )
        )
        return
    total = grad_output.new_zeros(grad_input.shape)
    places = at_least_float32(argmax_y, argmax_x)
    for index, weight in corners(*places, *total.shape[2:]):
        scatter(total, rois, index, weight * grad_output)
    grad_input.copy_(total)
