"""Bicubic resizing of learnt tables, whose gradient is deterministic where that is asked for."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def resize_table(table: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize maps (N, C, H, W) bicubically to (N, C, *size).

    Under ``torch.use_deterministic_algorithms`` it is two products with constant matrices, as the
    gradient of torch's own operation has no deterministic kernel on a GPU.
    """
    if not torch.are_deterministic_algorithms_enabled():
        return F.interpolate(table, size, mode='bicubic', align_corners=False)
    rows, cols = (_weights(old, new, table) for old, new in zip(table.shape[2:], size))
    return rows @ table @ cols.t()


@torch.no_grad()
def _weights(old: int, new: int, like: torch.Tensor) -> torch.Tensor:
    """Return how much each old entry of an axis adds to each new one, (new, old)."""
    unit = torch.eye(old, device=like.device, dtype=like.dtype)[None, None]  # (1, 1, old, old)
    return F.interpolate(unit, (new, old), mode='bicubic', align_corners=False)[0, 0]
