"""PSANet's masks: from places relative to a pixel to places of the map."""

from __future__ import annotations

import torch
from torch import Tensor

from nasvit_mm.compat.ops.kernel import kernel

DISTRIBUTE = 1  # of mmcv's enumeration; 0 is collect


@kernel
def psamask_forward(
    input: Tensor,
    output: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Write the attention of every pixel to every pixel into ``output``.

    Args:
        input: (num_, h_mask * w_mask, h_feature, w_feature), the attention to the places around.
        output: (num_, h_feature * w_feature, h_feature, w_feature), overwritten: channels are the
            places attended to, and vice versa if ``psa_type`` is 1, distribute.
    """
    masks = input.unflatten(1, (h_mask, w_mask))
    rows = _slide(masks, 1, h_feature, -1, half_h_mask)
    whole = _slide(rows, 2, w_feature, -1, half_w_mask)  # (N, H, W, H, W)
    output.copy_(_swapped(whole.flatten(1, 2), psa_type))


@kernel
def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Write the gradient of ``psamask_forward``'s input into ``grad_input``."""
    whole = _swapped(grad_output, psa_type).unflatten(1, (h_feature, w_feature))
    columns = _slide(whole, 2, w_mask, 1, -half_w_mask)
    grad_input.copy_(_slide(columns, 1, h_mask, 1, -half_h_mask).flatten(1, 2))


def _slide(x: Tensor, dim: int, size: int, sign: int, shift: int) -> Tensor:
    """Move an axis by the position on the axis two further.

    Returns:
        ``y[.., i, .., p, ..] = x[.., i + sign * p + shift, .., p, ..]`` for i < size; 0 outside.
    """
    i = torch.arange(size, device=x.device)[:, None]
    p = torch.arange(x.shape[dim + 2], device=x.device)
    shape = [1] * x.ndim
    shape[dim], shape[dim + 2] = size, len(p)
    places = (i + sign * p + shift).view(shape)
    inside = (places >= 0) & (places < x.shape[dim])
    shape = list(x.shape)
    shape[dim] = size
    moved = x.gather(dim, places.clamp(0, x.shape[dim] - 1).expand(shape))
    return torch.where(inside, moved, moved.new_zeros(()))


def _swapped(whole: Tensor, psa_type: int) -> Tensor:
    """Return (N, H * W, H, W) with channels and places exchanged, if masks are distributed."""
    if psa_type != DISTRIBUTE:
        return whole
    return whole.flatten(2).transpose(1, 2).reshape(whole.shape)
