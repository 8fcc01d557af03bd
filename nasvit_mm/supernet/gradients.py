"""A step's gradients all at once: on a GPU each operation is launched for many tensors together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import torch

LEAST_WEIGHT, LEAST_GRADIENT = 1e-3, 1e-6  # norms that adaptive clipping takes for no smaller

Gradients = Sequence[torch.Tensor | None]


def given(gradients: Gradients) -> list[torch.Tensor]:
    """Return the gradients of the parameters that were reached."""
    return [g for g in gradients if g is not None]


def total_norm(gradients: Gradients) -> torch.Tensor:
    """Return the L2 norm of all gradients together."""
    some = given(gradients)
    return torch.stack(torch._foreach_norm(some)).norm() if some else torch.zeros(())


def read_numbers(*groups: Iterable[torch.Tensor]) -> list[list[float]]:
    """Bring groups of scalars and vectors to the CPU with one wait for their device."""
    flat = [[n.detach().float().flatten() for n in group] for group in groups]
    numbers = iter(torch.cat([n for group in flat for n in group]).tolist())
    return [list(islice(numbers, sum(map(len, group)))) for group in flat]


@torch.no_grad()
def clip_by_weights(parameters: Sequence[torch.nn.Parameter], factor: float) -> None:
    """Limit every unit's gradient to a factor of the norm of its weights, in place.

    A unit is a row of a weight (an output channel), or the whole of a vector.  It computes what
    timm's ``adaptive_clip_grad`` does, which launches ten operations a tensor.  (Source: Brock et
    al. 2021, as in ElasticViT's code.)
    """
    weights = [p for p in parameters if p.grad is not None]
    if not weights:
        return
    gradients = [p.grad for p in weights]
    limits, norms = _unit_norms(weights), _unit_norms(gradients)
    torch._foreach_clamp_min_(limits, LEAST_WEIGHT)
    torch._foreach_mul_(limits, factor)
    torch._foreach_clamp_min_(norms, LEAST_GRADIENT)
    torch._foreach_div_(limits, norms)
    torch._foreach_clamp_max_(limits, 1.0)
    torch._foreach_mul_(gradients, limits)


def _unit_norms(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return norms of the shape (units, 1, ...), of a vector (or scalar) of one entry."""
    return [
        t.norm() if t.ndim <= 1 else t.norm(2, tuple(range(1, t.ndim)), keepdim=True)
        for t in tensors
    ]
