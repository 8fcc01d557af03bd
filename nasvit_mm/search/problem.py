"""What is searched for: a space, objectives, and constraints on costs."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nasvit_mm.cost import Cost, WindowSampler, count
from nasvit_mm.engine import UsageError
from nasvit_mm.search.latency import LatencyTable
from nasvit_mm.search.metrics import LATENCY, CostMetric
from nasvit_mm.search.task import DenseTask
from nasvit_mm.spaces import Arch, Space

PROBES = 8192  # random candidates by which it is found out how much a constraint leaves
RARE = 0.02  # a constraint that leaves less is sampled exactly, not by trial
TRIALS = 400  # rounds of PROBES without success before the constraints count as impossible
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
        parts = (['' if self.low is None else f'at least {self.low:g}',
                  '' if self.high is None else f'at most {self.high:g}'])
        return f'{self.metric} {" and ".join(filter(None, parts))}'


class Problem:
    """A space, objectives and constraints; costs of thousands of candidates in milliseconds.

    Args:
        space: what is searched.
        objectives: ``dict(metric=, goal='min' or 'max')`` or metric names; the goal of a cost is
            'min' by default, of a figure of an evaluator 'max'.
        constraints: ``dict(metric=, low=, high=)``; metrics are costs, see :class:`CostMetric`.
        task: the dense model whose costs count; None: the image classifier.
        input_size: side or (height, width) at which costs are counted where their name has no
            size; None: of a task an error, of a classifier the architecture's resolution.
        latency: of the metric ``latency``.

    Raises:
        UsageError: no objective, an unknown name or goal, a constraint that nothing can meet (the
            reachable range is named), or a figure as a constraint that is known only afterwards.
    """

    def __init__(self, space: Space, objectives: Sequence[Any], constraints: Sequence[Any] = (),
                 task: DenseTask | None = None,
                 input_size: int | Sequence[int] | None = None,
                 latency: LatencyTable | None = None) -> None:
        self.space, self.task, self.latency = space, task, latency
        size = (input_size, input_size) if isinstance(input_size, int) else input_size
        self.input_size = None if size is None else (int(size[0]), int(size[1]))
        if task is not None and size is None:
            raise UsageError('the search has a task and no input_size: give the (height, width) at '
                             'which its cost counts')
        self.metrics: dict[str, CostMetric | None] = {}
        self.objectives = [self._objective(o) for o in objectives]
        self.constraints = [self._constraint(c) for c in constraints]
        if not self.objectives:
            raise UsageError('the search has no objectives')
        for constraint in self.constraints:
            self._check_reachable(constraint)

    # ------------------------------------------------------------------ reading
    def _metric(self, name: str) -> CostMetric | None:
        try:
            found = CostMetric.read(name, self.task is not None)
        except ValueError as error:
            raise UsageError(str(error)) from error
        if name == LATENCY and self.latency is None:
            raise UsageError("the metric 'latency' needs a table of your device: latency = FILE, "
                             'which tools/benchmark.py CONFIG --build-table FILE writes')
        self.metrics[name] = found
        return found

    def _objective(self, given: Any) -> Objective:
        given = dict(metric=given) if isinstance(given, str) else dict(given)
        metric = given.pop('metric', None)
        if not isinstance(metric, str):
            raise UsageError(f'objective {given!r}: expected dict(metric=name, goal=...)')
        goal = given.pop('goal', 'max' if self._metric(metric) is None else 'min')
        if goal not in GOALS or given:
            raise UsageError(f'objective {metric!r}: goal = {goal!r}, allowed: {", ".join(GOALS)}'
                             + (f'; unknown: {", ".join(given)}' if given else ''))
        return Objective(metric, goal)

    def _constraint(self, given: Mapping) -> Constraint:
        given = dict(given)
        unknown = set(given) - {'metric', 'low', 'high'}
        if unknown or 'metric' not in given:
            raise UsageError(f'constraint {given!r}: expected dict(metric=, low=, high=)')
        found = Constraint(**given)
        if self._metric(found.metric) is None:
            raise UsageError(f'constraint {found.metric!r}: only costs, which are known before a '
                             'candidate is evaluated, can be constrained (macs, params, '
                             'backbone.macs, macs@512x1024, ...)')
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

    def costs(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Name -> (n,) of all costs that objectives and constraints name."""
        out, known = {}, {}
        for name, metric in self.metrics.items():
            if name == LATENCY:
                out[name] = self.latency.milliseconds(genes)
            elif metric is not None:
                key = metric.part, metric.size
                if key not in known:
                    known[key] = self.cost(name, genes)
                out[name] = getattr(known[key], metric.kind)
        return out

    def feasible(self, genes: np.ndarray) -> np.ndarray:
        """Which rows of a gene matrix are networks within all constraints, (n,) bool."""
        if not len(genes):
            return np.zeros(0, bool)
        costs = self.costs(genes)
        out = self.space.usable(genes)
        for constraint in self.constraints:
            out &= constraint.holds(costs[constraint.metric])
        return out

    def _check_reachable(self, constraint: Constraint) -> None:
        space = self.space
        genes = np.concatenate([space.genes([space.smallest, space.largest]),
                                space.uniform_genes(0, 256)])
        values = self.costs(genes)[constraint.metric]
        low, high = values.min(), values.max()
        if (constraint.high is not None and constraint.high < low) or (
                constraint.low is not None and constraint.low > high):
            raise UsageError(f'no architecture of {space.name} has {constraint}: the space reaches '
                             f'from {low:g} to {high:g}')

    # ------------------------------------------------------------------ drawing
    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Random candidates within all constraints, a gene matrix (n, num_genes).

        Where a constraint leaves little of the space, uniform over what it leaves, however rare;
        else as ``Space.sample_genes`` draws, those outside the constraints drawn again.

        Raises:
            UsageError: nothing was found that meets all constraints together.
        """
        found, have = [], 0
        for _ in range(TRIALS):
            drawn = self._draw(rng, max(64, min(PROBES, 4 * n)))
            drawn = drawn[self.feasible(drawn)]
            found.append(drawn)
            have += len(drawn)
            if have >= n:
                return np.concatenate(found)[:n]
        if have == 0:
            raise UsageError(f'no architecture of {self.space.name} found that meets all '
                             f'constraints together: {"; ".join(map(str, self.constraints))}')
        rows = np.concatenate(found)  # few there are
        return rows[rng.integers(0, len(rows), n)]

    def _draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        window = self._window
        return self.space.sample_genes(rng, n) if window is None else window.sample_genes(rng, n)

    @cached_property
    def _window(self) -> WindowSampler | None:
        """A sampler of the constraint that leaves least, if that is little."""
        genes = self.space.sample_genes(0, PROBES)
        costs = self.costs(genes)
        left = {c: c.holds(costs[c.metric]).mean() for c in self.constraints
                if c.metric != LATENCY}  # which has no closed form to draw by
        if not left or min(left.values()) > RARE:
            return None
        tightest = min(left, key=left.get)
        kind = self.metrics[tightest.metric].kind

        def cost(genes: np.ndarray) -> Cost:
            whole = self.cost(tightest.metric, genes)
            if kind == 'macs':
                return whole
            return replace(whole, macs=whole.params, breakdown=whole.breakdown_params)
        high = tightest.high
        if high is None:
            high = float(getattr(self.cost(
                tightest.metric, self.space.genes([self.space.largest])), kind)[0])
        try:
            return WindowSampler(self.space, tightest.low or 0, high, cost=cost)
        except ValueError as error:
            raise UsageError(f'constraint {tightest}: {error}') from error

    # ------------------------------------------------------------------ results
    def scores(self, results: Iterable[Mapping[str, float]]) -> np.ndarray:
        """Objectives of results, (n, objectives), all to be minimised."""
        return np.array([[o.sign * result[o.metric] for o in self.objectives]
                         for result in results], float).reshape(-1, len(self.objectives))

    def archs(self, genes: np.ndarray) -> list[Arch]:
        return self.space.from_genes(genes)
