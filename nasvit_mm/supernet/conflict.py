"""How the gradients of the largest network and of the subnets become one.

The rules have names: ``'sum'`` adds them, ``'project'`` is NASViT's gradient projection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

SCOPES = ('tensor', 'global')
EPS, LARGEST_COEFFICIENT = 1e-6, 2.0

Gradients = Sequence[torch.Tensor | None]


def project_conflict(
    sub: Gradients, sup: Gradients, *, scope: str = 'tensor', inplace: bool = False
) -> list[torch.Tensor | None]:
    """Combine two sets of gradients; in conflict the subnets' direction has priority.

    With a = -<sub, sup> / (1e-6 + |sub|^2), limited to 0 ... 2, the result is sub + a sub + sup:
    the sum where they agree; where they do not, what opposes the subnets is taken out of the
    largest network's.  (Source: NASViT, section 3.2, and its released code.)

    Args:
        sub: of the subnets, summed (and clipped); None where none of them reaches a parameter.
        sup: of the largest network, in the same order; None likewise.
        scope: a coefficient for each ``'tensor'``, as NASViT has it, or one for all, ``'global'``.
        inplace: write into the tensors of ``sub`` (of ``sup`` where there is none) and need no
            memory.

    Returns:
        Gradients in that order; None where neither has one.

    Raises:
        ValueError: lists of different length, or an unknown scope.
    """
    if len(sub) != len(sup):
        raise ValueError(f'{len(sub)} gradients of subnets and {len(sup)} of the largest network')
    if scope not in SCOPES:
        raise ValueError(f'scope = {scope!r}, allowed: {", ".join(SCOPES)}')
    pairs = [(a, b) for a, b in zip(sub, sup) if a is not None and b is not None]
    coefficients: list[torch.Tensor] = []
    if pairs:
        dots, squares = _products(pairs)
        if scope == 'global':
            dots, squares = dots.sum().expand_as(dots), squares.sum().expand_as(squares)
        coefficients = list((-dots / (EPS + squares)).clamp(0, LARGEST_COEFFICIENT))
    return _combined(sub, sup, iter(coefficients), inplace)


def sum_gradients(
    sub: Gradients, sup: Gradients, *, scope: str = 'tensor', inplace: bool = False
) -> list[torch.Tensor | None]:
    """Add two sets of gradients; arguments as of :func:`project_conflict`, ``scope`` of no
    consequence.
    """
    return _combined(sub, sup, None, inplace)


def cosine(sub: Gradients, sup: Gradients) -> float:
    """Cosine similarity of the two sets over the parameters that both reach; 0 where none are."""
    pairs = [(a, b) for a, b in zip(sub, sup) if a is not None and b is not None]
    if not pairs:
        return 0.0
    dots, squares = _products(pairs)
    others = torch.stack([b.detach().flatten() @ b.detach().flatten() for _, b in pairs])
    norm = (squares.sum() * others.sum()).sqrt()
    return float(dots.sum() / norm) if norm > 0 else 0.0


def _products(
    pairs: Sequence[tuple[torch.Tensor, torch.Tensor]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """<a, b> and <a, a> of each pair, without copies."""
    flat = [(a.detach().flatten(), b.detach().flatten()) for a, b in pairs]
    return torch.stack([a @ b for a, b in flat]), torch.stack([a @ a for a, _ in flat])


def _combined(
    sub: Gradients, sup: Gradients, coefficients: Iterator[torch.Tensor] | None, inplace: bool
) -> list[torch.Tensor | None]:
    out: list[torch.Tensor | None] = []
    for a, b in zip(sub, sup):
        if a is None or b is None:
            only = b if a is None else a
            out.append(only if inplace or only is None else only.clone())
            continue
        total = a if inplace else a.clone()
        if coefficients is not None:
            total.mul_(1 + next(coefficients))
        out.append(total.add_(b))
    return out


# By the names that configs use: ``rule(sub, sup, scope=, inplace=)``.
RULES = {'sum': sum_gradients, 'project': project_conflict}


@dataclass(frozen=True)
class Conflict:
    """A rule with its schedule.

    Args:
        rule: ``'project'``, ``'sum'`` or another name of :data:`RULES`.
        scope: of the projection, see :func:`project_conflict`.
        start_epoch: epochs (from 0) before it only add; NASViT's code projects from epoch 101 on.

    Raises:
        ValueError: an unknown rule or scope.
    """

    rule: str = 'project'
    scope: str = 'tensor'
    start_epoch: int = 0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f'conflict rule = {self.rule!r}, allowed: {", ".join(RULES)}')
        if self.scope not in SCOPES:
            raise ValueError(f'scope = {self.scope!r}, allowed: {", ".join(SCOPES)}')

    def __call__(self, sub: Gradients, sup: Gradients, epoch: int) -> list[torch.Tensor | None]:
        """Combined gradients of a step, written into those of ``sub``."""
        rule = RULES['sum' if epoch < self.start_epoch else self.rule]
        return rule(sub, sup, scope=self.scope, inplace=True)
