"""Multi-scale deformable attention, by grid_sample, on every device.

mmcv has a Python form of its own and takes it where the value is not on a GPU; on a GPU it calls
these.  They differ from it by adding levels up one by one, which keeps one level in memory.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from nasvit_mm.compat.ops.kernel import at_least_float32, gradients, kernel


@kernel
def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Return the weighted sum of the sampled values, (N, queries, heads * width).

    Args:
        value: (N, keys, heads, width); the keys are the pixels of all levels, one after another.
        value_spatial_shapes: (levels, 2), height and width.
        value_level_start_index: (levels,), follows from the shapes; unused.
        sampling_locations: (N, queries, heads, levels, points, 2), x and y of 0 to 1.
        attention_weights: (N, queries, heads, levels, points).
        im2col_step: images at a time; unused.
    """
    inputs = at_least_float32(value, sampling_locations, attention_weights)
    return _attend(value_spatial_shapes.tolist(), *inputs).to(value.dtype)


@kernel
def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Write the gradients of value, sampling locations and attention weights."""
    shapes = value_spatial_shapes.tolist()
    *inputs, grad_output = at_least_float32(
        value, sampling_locations, attention_weights, grad_output
    )
    grads = gradients(lambda *tensors: _attend(shapes, *tensors), inputs, grad_output)
    for into, grad in zip((grad_value, grad_sampling_loc, grad_attn_weight), grads):
        into.copy_(grad)


def _attend(shapes: list[list[int]], value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    n, _, heads, width = value.shape
    levels = value.split([h * w for h, w in shapes], 1)
    grids = 2 * locations.transpose(1, 2).flatten(0, 1) - 1  # (N * heads, queries, levels, ..)
    weights = weights.transpose(1, 2).flatten(0, 1)
    total = value.new_zeros(n * heads, width, locations.shape[1])
    for i, (pixels, (h, w)) in enumerate(zip(levels, shapes)):
        maps = pixels.permute(0, 2, 3, 1).reshape(n * heads, width, h, w)
        # (N * heads, width, queries, points)
        sampled = F.grid_sample(maps, grids[:, :, i], align_corners=False)
        total = total + (sampled * weights[:, None, :, i]).sum(-1)
    # (N * heads, width, queries) -> (N, queries, heads * width)
    return total.view(n, heads * width, -1).transpose(1, 2).contiguous()
