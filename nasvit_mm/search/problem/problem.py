"""What is searched for: a space, objectives, and constraints on costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from nasvit_mm.cost import Cost
from nasvit_mm.dense import SearchedModel
from nasvit_mm.deploy import LatencyTable
from nasvit_mm.errors import UsageError, check_number
from nasvit_mm.search.problem.costs import Costs
from nasvit_mm.search.problem.counted import LARGEST
from nasvit_mm.search.problem.feasible import Constraint, Feasible
from nasvit_mm.search.problem.sources import CostSource, LatencyCost, Searched
from nasvit_mm.spaces import Arch, Space

GOALS = ('min', 'max')


class Objective(NamedTuple):
    """A cost or a measured metric to minimise or maximise."""

    metric: str
    goal: str

    @property
    def sign(self) -> int:
        return 1 if self.goal == 'min' else -1


class Problem:
    """A space, objectives and constraints; costs of thousands of candidates in milliseconds.

    Args:
        space: what is searched.
        objectives: ``dict(metric=, goal='min' or 'max')`` or metric names, or one alone; the goal
            of a cost is 'min' by default, of a metric that an evaluator gives 'max'.
        constraints: ``dict(metric=, low=, high=)``, or one alone; metrics are costs.
        task: the dense model whose costs count; None: the image classifier.
        input_size: side or (height, width) at which costs are counted where their name has no
            size; None: of a task an error, of a classifier the architecture's resolution.
        latency: of the cost ``latency``; short for ``costs=dict(latency=...)``.
        costs: sources of one's own by name, see :class:`Costs`; MACs and parameters are there.

    Raises:
        UsageError: no objective, an unknown name or goal, a constraint that nothing can meet (the
            reachable range is named), or one on a metric that is known only afterwards.

    Attributes:
        metrics: name -> source of everything that objectives and constraints name; None of a metric
            that an evaluator has to give.
        own_costs: name -> source of those that were given, used or not.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Any] | Mapping | str,
        constraints: Sequence[Any] | Mapping = (),
        task: SearchedModel | None = None,
        input_size: int | Sequence[int] | None = None,
        latency: LatencyTable | None = None,
        costs: Mapping[str, Any] | None = None,
    ) -> None:
        self.space, self.task, self.input_size = space, task, read_size(input_size)
        if task is not None and self.input_size is None:
            raise UsageError(
                'the search has a task and no input_size: give the (height, width) at '
                'which its cost counts'
            )
        searched, own = Searched(space, task, self.input_size), dict(costs or {})
        if latency is not None:
            own['latency'] = LatencyCost('latency', searched, latency)
        self._costs = Costs(searched, own)
        self.own_costs = self._costs.own
        self.metrics: dict[str, CostSource | None] = {}
        self.objectives = [self._objective(o) for o in _listed('objectives', objectives)]
        self.constraints = [self._constraint(c) for c in _listed('constraints', constraints)]
        named = [o.metric for o in self.objectives]
        twice = [name for name in dict.fromkeys(named) if named.count(name) > 1]
        if twice:
            raise UsageError(f'objectives: {twice[0]!r} is given twice, leave one out')
        if not self.objectives:
            raise UsageError('the search has no objectives')
        self.costs(self.probes[:1])  # a source that fails does so now
        self._feasible = Feasible(self._costs, self.constraints)
        self._feasible.check_reachable()

    # ------------------------------------------------------------------ reading
    def _metric(self, name: str) -> CostSource | None:
        self.metrics[name] = self._costs.find(name)
        return self.metrics[name]

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
            check_number(f'constraint {found.metric!r}: {name}', bound)
        if self._metric(found.metric) is None:
            own = ''.join(f'{name}, ' for name in self.cost_sources)
            raise UsageError(
                f'constraint {found.metric!r}: only costs, which are known before a '
                f'candidate is evaluated, can be constrained ({own}macs, params, '
                'backbone.macs, macs@512x1024, ...)'
            )
        if found.low is not None and found.high is not None and found.low > found.high:
            raise UsageError(f'constraint {found}: the lower bound is the larger one')
        return found

    def within(self, *constraints: Constraint) -> Problem:
        """Return the same problem with further constraints, on costs that it names.

        Raises:
            UsageError: the space does not reach one of them.
        """
        other = copy(self)
        other.constraints = [*self.constraints, *constraints]
        other._feasible = Feasible(self._costs, other.constraints)
        other._feasible.check_reachable()
        return other

    # ------------------------------------------------------------------ costs and candidates
    @property
    def needed_metrics(self) -> list[str]:
        """Metrics among the objectives that evaluators have to give."""
        return [name for name, source in self.metrics.items() if source is None]

    @property
    def cost_sources(self) -> dict[str, CostSource]:
        """Sources by name: the config's own, and those that objectives and constraints name."""
        return {**self._costs.own, **{k: v for k, v in self.metrics.items() if v is not None}}

    def cost(self, name: str, genes: np.ndarray) -> Cost:
        """Count MACs and parameters of the part that a metric is of, for a gene matrix."""
        return self._costs.count(name, genes)

    def costs(self, genes: np.ndarray, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Return name -> (n,) of the costs named; None: of all in objectives and constraints."""
        if names is None:
            names = [name for name, source in self.metrics.items() if source is not None]
        return self._costs(genes, names)

    def reach(self, name: str) -> tuple[float, float]:
        """Return the least and the largest value of a cost in the space, constraints apart."""
        return self._costs.reach(name)

    @property
    def probes(self) -> np.ndarray:
        """Genes of candidates that tell what the space reaches, see :attr:`Costs.probes`."""
        return self._costs.probes

    def feasible(self, genes: np.ndarray) -> np.ndarray:
        """Return which rows of a gene matrix are networks within all constraints, (n,) bool."""
        return self._feasible(genes)

    def rounds(self, rng: np.random.Generator, n: int) -> Iterator[np.ndarray]:
        """Yield random feasible candidates, see :meth:`Feasible.rounds`."""
        return self._feasible.rounds(rng, n)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw feasible candidates, see :meth:`Feasible.sample`."""
        return self._feasible.sample(rng, n)

    def explain(self) -> str:
        """Explain why no candidate was found, see :meth:`Feasible.explain`."""
        return self._feasible.explain()

    # ------------------------------------------------------------------ results
    def scores(self, results: Iterable[Mapping[str, float]]) -> np.ndarray:
        """Return the objectives of results, (n, objectives), all to be minimised."""
        return np.array(
            [[o.sign * result[o.metric] for o in self.objectives] for result in results], float
        ).reshape(-1, len(self.objectives))

    def archs(self, genes: np.ndarray) -> list[Arch]:
        """Return the architectures of a gene matrix (n, num_genes)."""
        return self.space.from_genes(genes)


def read_size(given: Any) -> tuple[int, int] | None:
    """Return (height, width) of an ``input_size``, a side or both; None of None.

    Raises:
        UsageError: something else.
    """
    if given is None:
        return None
    sides = [given, given] if isinstance(given, int) else given
    if isinstance(sides, str) or not isinstance(sides, Sequence) or len(sides) != 2:
        raise UsageError(f'input_size = {given!r}, expected a side or (height, width)')
    return tuple(
        check_number(f'input_size = {given!r}: a side', side, low=1, high=LARGEST, whole=True)
        for side in sides
    )


def _listed(name: str, given: Any) -> list[Any]:
    """Return what a config names, one or several, as a list."""
    if isinstance(given, (str, Mapping)):
        return [given]
    if not isinstance(given, Sequence):
        raise UsageError(f'{name} = {given!r}, expected a list')
    return list(given)
