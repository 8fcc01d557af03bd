"""Candidates within all constraints: which are, drawing them, and why there are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nasvit_mm.cost import WindowSampler
from nasvit_mm.errors import UsageError
from nasvit_mm.search.problem.costs import Costs

ROUND = 8192  # draws of a round at most, and those by which a constraint's share is found out
# A constraint that leaves less is drawn from directly: such a draw costs as much as 5 to 50 that
# are tried and rejected.
RARE = 0.1
ROUNDS = 400  # of draws by trial, before the constraints count as impossible
WINDOW_ROUNDS = 100  # of direct ones
SLOW = 50_000  # draws without a hit, where a cost is slow: half a minute of a latency table
EMPTY = 20  # direct rounds in a row that all missed their window: nothing lies in it
ENOUGH = 256  # candidates that tell a range


class Constraint(NamedTuple):
    """Bounds of a cost, both included; None: no bound."""

    metric: str
    low: float | None = None
    high: float | None = None

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Return which costs (n,) are within the bounds, (n,) bool."""
        out = np.ones(len(values), bool)
        if self.low is not None:
            out &= values >= self.low
        return out if self.high is None else out & (values <= self.high)

    def __str__(self) -> str:
        parts = [
            f'at {word} {bound:{"g" if float(f"{bound:g}") == bound else ".15g"}}'
            for word, bound in (('least', self.low), ('most', self.high))
            if bound is not None
        ]
        return f'{self.metric} {" and ".join(parts)}'


class Feasible:
    """The candidates of a space that are networks within all constraints.

    Args:
        costs: of the space; they know every cost that is constrained.
        constraints: all that have to be met.
    """

    def __init__(self, costs: Costs, constraints: Sequence[Constraint]) -> None:
        self.costs, self.constraints = costs, list(constraints)
        # Slow costs are told of those alone that meet the others.
        self._groups = [
            [c for c in self.constraints if costs.source(c.metric).slow == slow]
            for slow in (False, True)
        ]

    def check_reachable(self) -> None:
        """Check that the space reaches each constraint alone.

        Raises:
            UsageError: names the constraint and the range that the space reaches.
        """
        for constraint in self.constraints:
            low, high = self.costs.reach(constraint.metric)
            if (constraint.high is not None and constraint.high < low) or (
                constraint.low is not None and constraint.low > high
            ):
                raise UsageError(
                    f'no architecture of {self.costs.space.name} has {constraint}: the space '
                    f'reaches {self.costs.shown_reach(constraint.metric)}'
                )

    def __call__(self, genes: np.ndarray) -> np.ndarray:
        """Return which rows of a gene matrix are feasible, (n,) bool."""
        out = np.zeros(len(genes), bool)
        if not len(genes):
            return out
        rows = np.flatnonzero(self.costs.space.usable(genes))
        for group in self._groups:
            if not (group and len(rows)):
                continue
            costs = self.costs(genes[rows], [c.metric for c in group])
            kept = np.ones(len(rows), bool)
            for constraint in group:
                kept &= constraint.holds(costs[constraint.metric])
            rows = rows[kept]
        out[rows] = True
        return out

    # ------------------------------------------------------------------ drawing
    def rounds(self, rng: np.random.Generator, n: int) -> Iterator[np.ndarray]:
        """Yield gene matrices, some of them empty, that together are to have ``n`` rows; end after
        many rounds.

        Where one constraint leaves little of the space, candidates are uniform over what it leaves;
        else as ``Space.sample_genes`` draws.  What does not meet the others is left out.
        """
        try:
            draw, last = self.costs.space.sample_genes, ROUNDS
            if self._window is not None:
                draw, last = self._window.draw, WINDOW_ROUNDS
        except ValueError:  # nothing lies in the window
            return
        size, missed, without = max(64, min(ROUND, 4 * n)), 0, 0
        slow = bool(self._groups[-1])
        for _ in range(last):
            drawn = draw(rng, size)
            missed = 0 if len(drawn) else missed + 1
            if missed == EMPTY:
                return
            met = drawn[self(drawn)]
            without = 0 if len(met) else without + len(drawn)
            yield met
            if slow and without > SLOW:
                return
            size = min(ROUND, 2 * size)

    @cached_property
    def _window(self) -> WindowSampler | None:
        """Return the sampler of the constraint that leaves least, if that is little."""
        direct = [c for c in self.constraints if self.costs.source(c.metric).draws_windows]
        costs = self.costs(self.costs.space.sample_genes(0, ROUND), [c.metric for c in direct])
        left = {c: c.holds(costs[c.metric]).mean() for c in direct}
        if not left or min(left.values()) > RARE:
            return None
        name, low, high = min(left, key=left.get)
        if high is None:
            high = max(low, float(self.costs.reach(name)[1]))
        return self.costs.source(name).window(low or 0, high)

    def collected(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Collect as many rounds as give ``n`` candidates; fewer, or none, where they are hard to
        find.
        """
        found, have = [self.costs.probes[:0]], 0
        for rows in self.rounds(rng, n):
            found.append(rows)
            have += len(rows)
            if have >= n:
                break
        return np.concatenate(found)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw a gene matrix (n, num_genes); some rows are alike where few were found.

        Raises:
            UsageError: nothing was found that meets all constraints together.
        """
        rows = self.collected(rng, n)
        if len(rows) >= n:
            return rows[:n]
        if not len(rows):
            raise UsageError(self.explain())
        return rows[rng.integers(0, len(rows), n)]

    def explain(self) -> str:
        """Explain an empty result: each constraint, the range that the space reaches, and the range
        left once the preceding constraints hold.
        """
        told = []
        for i, constraint in enumerate(self.constraints):
            name = constraint.metric
            text = f'the space reaches {self.costs.shown_reach(name)}'
            before = Feasible(self.costs, self.constraints[:i])
            if i and len(met := before.collected(np.random.default_rng(0), ENOUGH)):
                left = self.costs.shown_reach(name, met)
                text += f', and where the constraints before are met {left}'
            told.append(f'{constraint} ({text})')
        return (
            f'no architecture of {self.costs.space.name} found that meets all constraints '
            'together: ' + '; '.join(told)
        )


def nothing_found(problem: Any) -> str:
    """Explain why no candidate was found, see :meth:`Feasible.explain`."""
    return problem.explain()
