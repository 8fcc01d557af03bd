"""The two halves of a convolution that is computed at chosen places only."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nasvit_mm.compat.ops.kernel import kernel


@kernel
def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Write the windows of the chosen places into ``col``.

    Args:
        im: (1, C, H, W).
        mask_h_idx, mask_w_idx: (places,), where the windows are.
        col: (C * kernel_h * kernel_w, places), overwritten.
    """
    padded = F.pad(im[0], (pad_w, pad_w, pad_h, pad_h))
    rows = mask_h_idx + torch.arange(kernel_h, device=im.device)[:, None, None]
    columns = mask_w_idx + torch.arange(kernel_w, device=im.device)[:, None]
    col.copy_(padded[:, rows, columns].flatten(0, 2))  # (C, kernel_h, kernel_w, places)


@kernel
def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Write ``col`` (channels, places) to the chosen places of ``im`` (1, channels, H, W)."""
    im[0][:, mask_h_idx, mask_w_idx] = col.to(im.dtype)
