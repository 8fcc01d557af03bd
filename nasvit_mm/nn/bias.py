"""Relative position bias: a table over offsets, looked up or resized, with elastic heads."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import nn

from nasvit_mm.nn.resize import resize_table
from nasvit_mm.nn.span import Span, take

CACHED_TOKENS = 1024  # larger index tables (8 bytes x tokens squared) are not cached


class RelativePositionBias(nn.Module):
    """One bias per head and offset between two tokens of a grid.

    ``weight[(dy + R - 1) * (2 R - 1) + (dx + R - 1), head]`` is the bias for the offset (dy, dx) of
    the query from the key.  A grid of up to R x R tokens uses the table as it is; along an axis
    longer than R the table is resized bicubically.

    Args:
        grid: R, the largest grid side that the table covers.
        heads: maximum number of heads.
    """

    def __init__(self, grid: int, heads: int) -> None:
        super().__init__()
        self.grid = grid
        self.weight = nn.Parameter(torch.empty((2 * grid - 1) ** 2, heads))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, grid: tuple[int, int], heads: Span) -> torch.Tensor:
        """Return the biases (heads.width, H * W, H * W) for a grid (H, W)."""
        table = take(self.weight, None, heads).t()  # (heads, offsets)
        sides = [max(self.grid, n) for n in grid]
        if max(sides) > self.grid:
            # (1, heads, dy, dx) -> (heads, offsets)
            table = table.reshape(1, heads.width, 2 * self.grid - 1, 2 * self.grid - 1)
            table = resize_table(table, tuple(2 * n - 1 for n in sides)).reshape(heads.width, -1)
        tokens = grid[0] * grid[1]
        # Symbolic and fake tensors (export, compilation) must not enter the cache.
        plain = type(table) is torch.Tensor and not torch.compiler.is_compiling()
        make = _cached_index if plain and tokens <= CACHED_TOKENS else _offset_index
        index = make(*grid, *sides, table.device)
        return table.index_select(1, index).view(heads.width, tokens, tokens)


def _offset_index(
    height: int, width: int, rows: int, cols: int, device: torch.device
) -> torch.Tensor:
    """Return the table row of every (query, key) pair, (H * W * H * W,), in a rows x cols table."""
    y = torch.arange(height, device=device)
    x = torch.arange(width, device=device)
    dy = (y[:, None] - y + rows - 1) * (2 * cols - 1)  # (H, H)
    dx = x[:, None] - x + cols - 1  # (W, W)
    return (dy[:, None, :, None] + dx[None, :, None, :]).flatten()  # (H, W, H, W), flat


@lru_cache(maxsize=64)
def _cached_index(*args: Any) -> torch.Tensor:
    with torch.inference_mode(False):  # tensors made in inference mode cannot be trained with
        return _offset_index(*args)
