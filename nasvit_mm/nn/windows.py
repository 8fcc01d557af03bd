"""Windows of tokens: the partition, and the mask of padded keys."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def split_windows(x: torch.Tensor, grid: tuple[int, int], side: tuple[int, int]) -> torch.Tensor:
    """(B, H * W, C) -> (B * windows, h * w, C); tokens beyond the grid are zeros.

    Args:
        grid: (H, W) of the tokens.
        side: (h, w) of a window.
    """
    (height, width), (h, w), channels = grid, side, x.shape[-1]
    if grid == side:
        return x
    x = x.reshape(-1, height, width, channels)
    pad_h, pad_w = -height % h, -width % w
    if pad_h or pad_w:
        x = F.pad(x, (0, 0, 0, pad_w, 0, pad_h))
    x = x.reshape(-1, (height + pad_h) // h, h, (width + pad_w) // w, w, channels)
    return x.transpose(2, 3).reshape(-1, h * w, channels)


def join_windows(x: torch.Tensor, grid: tuple[int, int], side: tuple[int, int]) -> torch.Tensor:
    """Inverse of :func:`split_windows`: (B * windows, h * w, C) -> (B, H * W, C)."""
    (height, width), (h, w), channels = grid, side, x.shape[-1]
    if grid == side:
        return x
    rows, cols = -(-height // h), -(-width // w)
    x = x.reshape(-1, rows, cols, h, w, channels).transpose(2, 3)
    x = x.reshape(-1, rows * h, cols * w, channels)[:, :height, :width]
    return x.reshape(-1, height * width, channels)


def window_mask(
    grid: tuple[int, int], side: tuple[int, int], device: torch.device
) -> torch.Tensor | None:
    """Which keys of each window are padding: (windows, h * w) bool, or None without padding."""
    (height, width), (h, w) = grid, side
    rows, cols = -(-height // h), -(-width // w)
    if rows * h == height and cols * w == width:
        return None
    beyond_y = torch.arange(rows * h, device=device) >= height
    beyond_x = torch.arange(cols * w, device=device) >= width
    padding = beyond_y[:, None] | beyond_x
    return padding.view(rows, h, cols, w).transpose(1, 2).reshape(rows * cols, h * w)
