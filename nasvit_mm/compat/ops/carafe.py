"""CARAFE, content-aware upsampling: every output pixel weighs a window of the input its own way."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from nasvit_mm.compat.ops.kernel import at_least_float32, gradients, kernel


@kernel
def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the reassembled features into ``output``.

    Args:
        features: (N, C, H, W).
        masks: (N, group_size * kernel_size ** 2, H * scale_factor, W * scale_factor).
        rfeatures: like ``features``, overwritten: the backward reads it.
        routput, rmasks: buffers of the compiled operation, unused.
        output: (N, C, H * scale_factor, W * scale_factor), overwritten.
    """
    rfeatures.copy_(features)
    carafe_naive_forward(features, masks, output, kernel_size, group_size, scale_factor)


@kernel
def carafe_backward(
    top_grad: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rtop_grad: Tensor,
    rbottom_grad_hs: Tensor,
    rbottom_grad: Tensor,
    rmask_grad: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the gradients of features and masks into ``bottom_grad`` and ``mask_grad``."""
    options = (kernel_size, group_size, scale_factor)
    carafe_naive_backward(top_grad, rfeatures, masks, bottom_grad, mask_grad, *options)


@kernel
def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write what ``carafe_forward`` does, without buffers."""
    inputs = at_least_float32(features, masks)
    output.copy_(_reassemble(*inputs, kernel_size, group_size, scale_factor))


@kernel
def carafe_naive_backward(
    top_grad: Tensor,
    features: Tensor,
    masks: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the gradients of ``carafe_naive_forward``."""
    *inputs, top_grad = at_least_float32(features, masks, top_grad)
    options = (kernel_size, group_size, scale_factor)
    grads = gradients(lambda x, m: _reassemble(x, m, *options), inputs, top_grad)
    bottom_grad.copy_(grads[0])
    mask_grad.copy_(grads[1])


def _reassemble(features: Tensor, masks: Tensor, size: int, groups: int, scale: int) -> Tensor:
    """Add up the places of the window, one after another.

    Unfolded windows would take size ** 2 times the memory of the input, 25 times as a rule.
    """
    n, c, h, w = features.shape
    padded = F.pad(features, [size // 2] * 4).unflatten(1, (groups, -1))
    # Those of one input pixel side by side: (N, groups, size ** 2, 1, scale ** 2, H, W).
    masks = F.pixel_unshuffle(masks, scale)
    masks = masks.view(n, groups, size * size, 1, scale * scale, h, w)
    total = features.new_zeros(n, groups, c // groups, scale * scale, h, w)
    for i in range(size * size):
        y, x = divmod(i, size)
        total = total + padded[..., None, y : y + h, x : x + w] * masks[:, :, i]
    return F.pixel_shuffle(total.view(n, c * scale * scale, h, w), scale)
