"""Gradients and numbers over all processes."""
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist


def world_size() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean_gradients(gradients: Sequence[torch.Tensor | None],
                   like: Sequence[torch.Tensor], same: bool = True) -> list[torch.Tensor | None]:
    """Mean over all processes, in place, by one reduction for each type of number.

    Args:
        gradients: None where a parameter was not reached.
        like: the parameters.
        same: whether all processes reach the same parameters; if not, one that only some reach
            gets the mean with zeros of the others, and one that none reaches stays None.
    """
    out, size = list(gradients), world_size()
    if size == 1:
        return out
    if not same:
        mask = torch.tensor([float(g is not None) for g in out], device=like[0].device)
        dist.all_reduce(mask)
        out = [torch.zeros_like(p) if g is None and m > 0 else g
               for g, p, m in zip(out, like, mask.tolist())]
    kinds: dict[torch.dtype, list[torch.Tensor]] = {}
    for g in out:
        if g is not None:
            kinds.setdefault(g.dtype, []).append(g)
    for group in kinds.values():
        flat = torch.cat([g.flatten() for g in group])
        dist.all_reduce(flat)
        flat /= size
        start = 0
        for g in group:
            g.copy_(flat[start:start + g.numel()].view_as(g))
            start += g.numel()
    return out


def mean_number(value: torch.Tensor) -> float:
    """Mean of a scalar over all processes."""
    if world_size() == 1:
        return float(value)
    value = value.detach().clone()
    dist.all_reduce(value)
    return float(value) / world_size()
