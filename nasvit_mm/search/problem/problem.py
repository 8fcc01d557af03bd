"""What is searched for: a space, objectives, and constraints on costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nasvit_mm.cost import Cost, count
from nasvit_mm.dense import DenseTask
from nasvit_mm.deploy import LatencyTable
from nasvit_mm.errors import UsageError
from nasvit_mm.errors import check_number as number
from nasvit_mm.search.problem.feasible import Draws, nothing_found
from nasvit_mm.search.problem.metrics import LATENCY, CostMetric
from nasvit_mm.spaces import Arch, Space

PROBES = 256  # random candidates that tell what the space reaches
GOALS = ('min', 'max')


class Objective(NamedTuple):
    """A figure to minimise or maximise; of a cost, or one that an evaluator gives."""

    metric: str
    goal: str

    @property
    def sign(self) -> int:
        return 1 if self.goal == 'min' else -1


class Constraint(NamedTuple):
    """Bounds of a cost, both included; None: no bound."""

    metric: str
    low: float | None = None
    high: float | None = None

    def holds(self, values: np.ndarray) -> np.ndarray:
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


class Problem:
    """A space, objectives and constraints; costs of thousands of candidates in milliseconds.

    Args:
        space: what is searched.
        objectives: ``dict(metric=, goal='min' or 'max')`` or metric names, or one alone; the goal
            of a cost is 'min' by default, of a figure of an evaluator 'max'.
        constraints: ``dict(metric=, low=, high=)``, or one alone; metrics are costs, see
            :class:`CostMetric`.
        task: the dense model whose costs count; None: the image classifier.
        input_size: side or (height, width) at which costs are counted where their name has no
            size; None: of a task an error, of a classifier the architecture's resolution.
        latency: of the metric ``latency``.

    Raises:
        UsageError: no objective, an unknown name or goal, a constraint that nothing can meet (the
            reachable range is named), or a figure as a constraint that is known only afterwards.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Any] | Mapping | str,
        constraints: Sequence[Any] | Mapping = (),
        task: DenseTask | None = None,
        input_size: int | Sequence[int] | None = None,
        latency: LatencyTable | None = None,
    ) -> None:
        self.space, self.task, self.latency = space, task, latency
        self.input_size = read_size(input_size)
        if task is not None and self.input_size is None:
            raise UsageError(
                'the search has a task and no input_size: give the (height, width) at '
                'which its cost counts'
            )
        self.metrics: dict[str, CostMetric | None] = {}
        self.objectives = [self._objective(o) for o in _listed('objectives', objectives)]
        self.constraints = [self._constraint(c) for c in _listed('constraints', constraints)]
        if not self.objectives:
            raise UsageError('the search has no objectives')
        self._check_sizes()
        self._draws = Draws(self, self.constraints)
        for constraint in self.constraints:
            self._check_reachable(constraint)

    # ------------------------------------------------------------------ reading
    def _metric(self, name: str) -> CostMetric | None:
        try:
            found = CostMetric.read(name, self.task is not None)
        except ValueError as error:
            raise UsageError(str(error)) from error
        if name == LATENCY and self.latency is None:
            raise UsageError(
                "the metric 'latency' needs a table of your device: latency = FILE, "
                'which tools/benchmark.py CONFIG --build-table FILE writes'
            )
        self.metrics[name] = found
        return found

    def _objective(self, given: Any) -> Objective:
        given = dict(metric=given) if isinstance(given, str) else given
        metric = given.get('metric') if isinstance(given, Mapping) else None
        if not isinstance(metric, str):
            raise UsageError(f'objective {given!r}: expected dict(metric=name, goal=...)')
        given = {k: v for k, v in given.items() if k != 'metric'}
        goal = given.pop('goal', 'max' if self._metric(metric) is None else 'min')
        if goal not in GOALS or given:
            raise UsageError(
                f'objective {metric!r}: goal = {goal!r}, allowed: {", ".join(GOALS)}'
                + (f'; unknown: {", ".join(given)}' if given else '')
            )
        return Objective(metric, goal)

    def _constraint(self, given: Any) -> Constraint:
        if (
            not isinstance(given, Mapping)
            or not isinstance(given.get('metric'), str)
            or (set(given) - {'metric', 'low', 'high'})
        ):
            raise UsageError(f'constraint {given!r}: expected dict(metric=, low=, high=)')
        found = Constraint(**given)
        bounds = {k: v for k, v in (('low', found.low), ('high', found.high)) if v is not None}
        if not bounds:
            raise UsageError(f'constraint {found.metric!r} has no bound: give low or high')
        for name, bound in bounds.items():
            number(f'constraint {found.metric!r}: {name}', bound)
        if self._metric(found.metric) is None:
            raise UsageError(
                f'constraint {found.metric!r}: only costs, which are known before a '
                'candidate is evaluated, can be constrained (macs, params, '
                'backbone.macs, macs@512x1024, ...)'
            )
        if found.low is not None and found.high is not None and found.low > found.high:
            raise UsageError(f'constraint {found}: the lower bound is the larger one')
        return found

    @property
    def evaluated(self) -> list[str]:
        """Figures that an evaluator has to give."""
        return [name for name, metric in self.metrics.items() if metric is None]

    # ------------------------------------------------------------------ costs
    def cost(self, name: str, genes: np.ndarray) -> Cost:
        """The cost in multiply-adds or parameters that a metric is of, for a gene matrix."""
        metric = self.metrics[name]
        size = metric.size or self.input_size
        if metric.part == 'classifier':
            return count(self.space, genes, metric.size if self.task else size)
        return getattr(self.task, metric.part)(genes, size)

    def costs(self, genes: np.ndarray, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Name -> (n,) of the costs named; None: of all that objectives and constraints name."""
        out, known = {}, {}
        for name in self.metrics if names is None else names:
            metric = self.metrics[name]
            if name == LATENCY:
                out[name] = self.latency.milliseconds(genes)
            elif metric is not None:
                key = metric.part, metric.size
                if key not in known:
                    known[key] = self.cost(name, genes)
                out[name] = getattr(known[key], metric.kind)
        return out

    def feasible(
        self, genes: np.ndarray, constraints: Sequence[Constraint] | None = None
    ) -> np.ndarray:
        """Which rows of a gene matrix are networks within the constraints, (n,) bool.

        Args:
            constraints: None: all.
        """
        out = np.zeros(len(genes), bool)
        if not len(genes):
            return out
        constraints = self.constraints if constraints is None else constraints
        rows = np.flatnonzero(self.space.usable(genes))
        for slow in (False, True):  # latencies take longest: of what is left by then
            group = [c for c in constraints if (c.metric == LATENCY) == slow]
            if not (group and len(rows)):
                continue
            costs = self.costs(genes[rows], [c.metric for c in group])
            kept = np.ones(len(rows), bool)
            for constraint in group:
                kept &= constraint.holds(costs[constraint.metric])
            rows = rows[kept]
        out[rows] = True
        return out

    @cached_property
    def probes(self) -> np.ndarray:
        """Genes of candidates that tell what the space reaches: its ends, what differs from them in
        one gene (a larger patch has more parameters), and random ones.
        """
        space = self.space
        ends = space.genes([space.smallest, space.largest])
        beside = np.array(
            [
                [*end[:i], j, *end[i + 1 :]]
                for end in ends
                for i, choices in enumerate(space.choices)
                for j in range(len(choices))
            ]
        )
        beside = space.canonical_genes(beside[space.usable(beside)])
        return np.concatenate([ends, beside, space.uniform_genes(0, PROBES)])

    def _check_sizes(self) -> None:
        for name, metric in self.metrics.items():
            try:
                if metric is not None:
                    self.costs(self.probes[:1], [name])
            except UsageError:
                raise
            except (ValueError, RuntimeError) as error:
                raise UsageError(
                    f'{name!r} at input_size = {metric.size or self.input_size}: {error}'
                ) from error

    def _check_reachable(self, constraint: Constraint) -> None:
        values = self.costs(self.probes, [constraint.metric])[constraint.metric]
        low, high = values.min(), values.max()
        if (constraint.high is not None and constraint.high < low) or (
            constraint.low is not None and constraint.low > high
        ):
            raise UsageError(
                f'no architecture of {self.space.name} has {constraint}: the space '
                f'reaches from {low:g} to {high:g}'
            )

    # ------------------------------------------------------------------ drawing
    def rounds(self, rng: np.random.Generator, n: int) -> Iterator[np.ndarray]:
        """Random candidates within all constraints, see :meth:`Draws.rounds`."""
        return self._draws.rounds(rng, n)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Random candidates within all constraints, a gene matrix (n, num_genes); some of them
        alike where few were found.

        Raises:
            UsageError: nothing was found that meets all constraints together.
        """
        rows = self._draws.collected(rng, n)
        if len(rows) >= n:
            return rows[:n]
        if not len(rows):
            raise UsageError(nothing_found(self))
        return rows[rng.integers(0, len(rows), n)]

    # ------------------------------------------------------------------ results
    def scores(self, results: Iterable[Mapping[str, float]]) -> np.ndarray:
        """Objectives of results, (n, objectives), all to be minimised."""
        return np.array(
            [[o.sign * result[o.metric] for o in self.objectives] for result in results], float
        ).reshape(-1, len(self.objectives))

    def archs(self, genes: np.ndarray) -> list[Arch]:
        return self.space.from_genes(genes)


def read_size(given: Any) -> tuple[int, int] | None:
    """(height, width) of an ``input_size``: a side or both; None of None.

    Raises:
        UsageError: something else.
    """
    if given is None:
        return None
    sides = [given, given] if isinstance(given, int) else given
    if isinstance(sides, str) or not isinstance(sides, Sequence) or len(sides) != 2:
        raise UsageError(f'input_size = {given!r}, expected a side or (height, width)')
    return tuple(
        number(f'input_size = {given!r}: a side', side, low=1, whole=True) for side in sides
    )


def _listed(name: str, given: Any) -> list[Any]:
    """What a config names, one or several."""
    if isinstance(given, (str, Mapping)):
        return [given]
    if not isinstance(given, Sequence):
        raise UsageError(f'{name} = {given!r}, expected a list')
    return list(given)
