"""Reducing gradients and numbers over all processes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce, all_reduce_params, get_world_size

BUCKET = 64  # MiB: few reductions, and no second copy of all gradients


def take_gradients(parameters: Sequence[torch.nn.Parameter]) -> list[torch.Tensor | None]:
    """Remove the gradients from the parameters and return them."""
    out = [p.grad for p in parameters]
    for p in parameters:
        p.grad = None
    return out


def mean_gradients(
    gradients: Sequence[torch.Tensor | None], like: Sequence[torch.Tensor], same: bool = True
) -> list[torch.Tensor | None]:
    """Average gradients over all processes, in place, with one reduction per bucket of tensors.

    Args:
        gradients: the gradients, None for parameters that were not reached.
        like: the parameters.
        same: whether all processes reach the same parameters.  If not, a process without a gradient
            counts as zeros, and a parameter that no process reaches stays None.
    """
    out = list(gradients)
    if get_world_size() == 1:
        return out
    if not same:
        reached = torch.tensor([float(g is not None) for g in out], device=like[0].device)
        all_reduce(reached)
        out = [
            torch.zeros_like(p) if g is None and m > 0 else g
            for g, p, m in zip(out, like, reached.tolist())
        ]
    all_reduce_params([g for g in out if g is not None], bucket_size_mb=BUCKET, op='mean')
    return out


def mean_numbers(values: Sequence[torch.Tensor]) -> list[float]:
    """Return the mean of each scalar over all processes; their device is waited for once."""
    together = torch.stack([value.detach() for value in values])
    all_reduce(together, op='mean')
    return together.tolist()
