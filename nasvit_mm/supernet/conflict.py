"""Combining the gradients of the largest network with those of the subnets.

The rules have names: ``'sum'`` adds the gradients, ``'project'`` is NASViT's gradient projection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nasvit_mm.errors import unknown
from nasvit_mm.registry import CONFLICT_RULES, registered

SCOPES = ('tensor', 'global')
EPS, LARGEST_COEFFICIENT = 1e-6, 2.0

Gradients = Sequence[torch.Tensor | None]


@CONFLICT_RULES.register_module(name='project')
def project_conflict(
    sub: Gradients, sup: Gradients, *, scope: str = 'tensor', inplace: bool = False
) -> list[torch.Tensor | None]:
    """Combine two sets of gradients; in conflict the subnets' direction has priority.

    With a = -<sub, sup> / (1e-6 + |sub|^2), limited to 0 ... 2, the result is sub + a sub + sup.
    Where the two agree it is their sum; where they do not, the component that opposes the subnets
    is removed from the largest network's gradient.  (Source: NASViT, section 3.2, and its released
    code.)

    Args:
        sub: gradients of the subnets, summed (and clipped); None for parameters that no subnet
            uses.
        sup: gradients of the largest network, in the same order; None likewise.
        scope: ``'tensor'``: one coefficient per tensor, as in NASViT; ``'global'``: one for all.
        inplace: write into the tensors of ``sub`` (of ``sup`` where ``sub`` has None) and allocate
            no memory.

    Returns:
        The combined gradients in that order; None where neither set has one.

    Raises:
        ValueError: the lists differ in length, or the scope is unknown.
    """
    if len(sub) != len(sup):
        raise ValueError(f'{len(sub)} gradients of subnets and {len(sup)} of the largest network')
    if scope not in SCOPES:
        raise ValueError(unknown('scope', scope, SCOPES))
    pairs = [(a, b) for a, b in zip(sub, sup) if a is not None and b is not None]
    factors = None
    if pairs:
        dots, squares = _products(pairs)
        if scope == 'global':
            dots, squares = dots.sum().expand_as(dots), squares.sum().expand_as(squares)
        factors = list(1 + (-dots / (EPS + squares)).clamp(0, LARGEST_COEFFICIENT))
    return _combined(sub, sup, factors, inplace)


@CONFLICT_RULES.register_module(name='sum')
def sum_gradients(
    sub: Gradients, sup: Gradients, *, scope: str = 'tensor', inplace: bool = False
) -> list[torch.Tensor | None]:
    """Add two sets of gradients; see :func:`project_conflict`, but ``scope`` has no effect."""
    return _combined(sub, sup, None, inplace)


def cosine(sub: Gradients, sup: Gradients) -> float:
    """Return the cosine of the two sets over the parameters that both reach, or 0."""
    pairs = [(a, b) for a, b in zip(sub, sup) if a is not None and b is not None]
    if not pairs:
        return 0.0
    dots, squares = _products(pairs)
    others = torch.stack([b.detach().flatten() @ b.detach().flatten() for _, b in pairs])
    dot, norm = torch.stack([dots.sum(), (squares.sum() * others.sum()).sqrt()]).tolist()
    return dot / norm if norm > 0 else 0.0


def _products(
    pairs: Sequence[tuple[torch.Tensor, torch.Tensor]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return <a, b> and <a, a> of each pair, without copies."""
    flat = [(a.detach().flatten(), b.detach().flatten()) for a, b in pairs]
    return torch.stack([a @ b for a, b in flat]), torch.stack([a @ a for a, _ in flat])


def _combined(
    sub: Gradients, sup: Gradients, factors: list[torch.Tensor] | None, inplace: bool
) -> list[torch.Tensor | None]:
    """Return sub + sup, where both are given sub times its factor, in as few launches as can be."""
    out = [b if a is None else a for a, b in zip(sub, sup)]
    if not inplace:
        out = [None if g is None else g.clone() for g in out]
    both = [i for i, (a, b) in enumerate(zip(sub, sup)) if a is not None and b is not None]
    if both:
        totals = [out[i] for i in both]
        if factors is not None:
            torch._foreach_mul_(totals, factors)
        torch._foreach_add_(totals, [sup[i] for i in both])
    return out


@dataclass(frozen=True)
class Conflict:
    """A rule with its schedule.

    Args:
        rule: ``'project'``, ``'sum'`` or another name in ``CONFLICT_RULES``, called as
            ``rule(sub, sup, scope=, inplace=)``.
        scope: scope of the projection, see :func:`project_conflict`.
        start_epoch: first epoch (counted from 0) of the rule; earlier ones add the gradients.
            NASViT's code projects from epoch 101 on.

    Raises:
        ValueError: the rule or the scope is unknown.
    """

    rule: str = 'project'
    scope: str = 'tensor'
    start_epoch: int = 0

    def __post_init__(self) -> None:
        if registered(CONFLICT_RULES, self.rule) is None:
            raise ValueError(unknown('conflict rule', self.rule, CONFLICT_RULES.module_dict))
        if self.scope not in SCOPES:
            raise ValueError(unknown('scope', self.scope, SCOPES))

    def __call__(self, sub: Gradients, sup: Gradients, epoch: int) -> list[torch.Tensor | None]:
        """Return the combined gradients of a step, written into those of ``sub``."""
        rule = registered(CONFLICT_RULES, 'sum' if epoch < self.start_epoch else self.rule)
        return rule(sub, sup, scope=self.scope, inplace=True)
