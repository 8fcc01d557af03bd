"""Random candidates within all constraints, and what to say where there are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nasvit_mm.cost import WindowSampler
from nasvit_mm.search.problem.metrics import LATENCY

if TYPE_CHECKING:
    from nasvit_mm.search.problem.problem import Constraint, Problem

ROUND = 8192  # draws of a round at most, and those by which a constraint's share is found out
# A constraint that leaves less is drawn from directly: such a draw costs as much as 5 to 50 that
# are tried and rejected.
RARE = 0.1
ROUNDS = 400  # of draws by trial, before the constraints count as impossible
WINDOW_ROUNDS = 100  # of direct ones
SLOW = 50_000  # draws without a hit, where latencies are told: half a minute
EMPTY = 20  # direct rounds in a row that all missed their window: nothing lies in it
ENOUGH = 256  # candidates that tell a range


class Draws:
    """Random candidates of a problem, within some of its constraints.

    Args:
        problem: its space and costs.
        constraints: all that have to be met.
    """

    def __init__(self, problem: Problem, constraints: Sequence[Constraint]) -> None:
        self.problem, self.constraints = problem, list(constraints)

    def rounds(self, rng: np.random.Generator, n: int) -> Iterator[np.ndarray]:
        """Gene matrices, some of them empty, that together are to have ``n`` rows; after many
        rounds it is the end.

        Where one constraint leaves little of the space, uniform over what it leaves; else as
        ``Space.sample_genes`` draws.  What does not meet the others is left out.
        """
        try:
            draw, last = self.problem.space.sample_genes, ROUNDS
            if self._window is not None:
                draw, last = self._window.draw, WINDOW_ROUNDS
        except ValueError:  # nothing lies in the window
            return
        size, missed, slow = max(64, min(ROUND, 4 * n)), 0, 0
        has_latency = any(c.metric == LATENCY for c in self.constraints)
        for _ in range(last):
            drawn = draw(rng, size)
            missed = 0 if len(drawn) else missed + 1
            if missed == EMPTY:
                return
            met = drawn[self.problem.feasible(drawn, self.constraints)]
            slow = 0 if len(met) or not has_latency else slow + len(drawn)
            yield met
            if slow > SLOW:
                return
            size = min(ROUND, 2 * size)

    @cached_property
    def _window(self) -> WindowSampler | None:
        """A sampler of the constraint that leaves least, if that is little."""
        closed = [c for c in self.constraints if c.metric != LATENCY]
        costs = self.problem.costs(
            self.problem.space.sample_genes(0, ROUND), [c.metric for c in closed]
        )
        left = {c: c.holds(costs[c.metric]).mean() for c in closed}
        if not left or min(left.values()) > RARE:
            return None
        return self._sampler(min(left, key=left.get))

    def _sampler(self, constraint: Constraint) -> WindowSampler:
        problem, name, high = self.problem, constraint.metric, constraint.high
        if high is None:
            high = max(constraint.low, float(problem.costs(problem.probes, [name])[name].max()))
        return WindowSampler(
            problem.space,
            constraint.low or 0,
            high,
            kind=problem.metrics[name].kind,
            cost=lambda genes: problem.cost(name, genes),
        )

    def collected(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Candidates of as many rounds as give ``n``; fewer, or none, where they are hard to
        find.
        """
        found, have = [self.problem.probes[:0]], 0
        for rows in self.rounds(rng, n):
            found.append(rows)
            have += len(rows)
            if have >= n:
                break
        return np.concatenate(found)


def nothing_found(problem: Problem) -> str:
    """Which constraints there are, what the space reaches of each, and of each but the first what
    is left of that where those before it are met.
    """
    told = []
    for i, constraint in enumerate(problem.constraints):
        name = constraint.metric
        text = f'the space reaches {_range(problem, name, problem.probes)}'
        before = Draws(problem, problem.constraints[:i])
        if i and len(met := before.collected(np.random.default_rng(0), ENOUGH)):
            text += f', and where the constraints before are met {_range(problem, name, met)}'
        told.append(f'{constraint} ({text})')
    return (
        f'no architecture of {problem.space.name} found that meets all constraints together: '
        + '; '.join(told)
    )


def _range(problem: Problem, name: str, genes: np.ndarray) -> str:
    values = problem.costs(genes, [name])[name]
    return f'from {values.min():g} to {values.max():g}'
