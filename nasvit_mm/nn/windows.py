"""Windows of tokens: the partition, and the mask of padded keys."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def split_windows(x: torch.Tensor, grid: tuple[int, int], side: tuple[int, int]) -> torch.Tensor:
    """Split (B, H * W, C) into windows, (B * windows, h * w, C); zeros pad the last ones.

    Args:
        grid: (H, W) of the tokens.
        side: (h, w) of a window.
    """
    (height, width), (h, w), channels = grid, side, x.shape[-1]
    if grid == side:
        return x
    x = x.reshape(-1, height, width, channels)  # (B, H, W, C)
    pad_h, pad_w = -height % h, -width % w
    if pad_h or pad_w:
        x = F.pad(x, (0, 0, 0, pad_w, 0, pad_h))
    rows, cols = (height + pad_h) // h, (width + pad_w) // w
    x = x.reshape(-1, rows, h, cols, w, channels)  # (B, rows, h, cols, w, C)
    return x.transpose(2, 3).reshape(-1, h * w, channels)  # (B * rows * cols, h * w, C)


def join_windows(x: torch.Tensor, grid: tuple[int, int], side: tuple[int, int]) -> torch.Tensor:
    """Join windows, (B * windows, h * w, C), to (B, H * W, C): undo :func:`split_windows`."""
    (height, width), (h, w), channels = grid, side, x.shape[-1]
    if grid == side:
        return x
    rows, cols = -(-height // h), -(-width // w)
    x = x.reshape(-1, rows, cols, h, w, channels).transpose(2, 3)  # (B, rows, h, cols, w, C)
    x = x.reshape(-1, rows * h, cols * w, channels)[:, :height, :width]  # (B, H, W, C)
    return x.reshape(-1, height * width, channels)  # (B, H * W, C)


def window_mask(
    grid: tuple[int, int], side: tuple[int, int], device: torch.device
) -> torch.Tensor | None:
    """Return which keys of each window are padding, (windows, h * w) bool, or None."""
    (height, width), (h, w) = grid, side
    rows, cols = -(-height // h), -(-width // w)
    if rows * h == height and cols * w == width:
        return None
    beyond_y = torch.arange(rows * h, device=device) >= height
    beyond_x = torch.arange(cols * w, device=device) >= width
    padding = beyond_y[:, None] | beyond_x  # (rows * h, cols * w)
    padding = padding.view(rows, h, cols, w).transpose(1, 2)  # (rows, cols, h, w)
    return padding.reshape(rows * cols, h * w)
