"""Search algorithms behind one interface: ask for candidates, be told how good they are.

All draw from one seeded generator and learn nothing but what they are told, in the order in which
they asked: so a search is a function of its seed and the results, and resuming is repeating it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from nasvit_mm.errors import UsageError
from nasvit_mm.errors import check_number as number
from nasvit_mm.search.algorithms.operators import OPERATORS, Operators, pairs
from nasvit_mm.search.problem.feasible import nothing_found
from nasvit_mm.search.problem.problem import Problem

TRIES = 60  # rounds of breeding before random candidates fill up
STALE = 4096  # random candidates without a new one, after which there is none


class Algorithm:
    """Base: candidates are canonical, within all constraints, and never the same twice.

    Args:
        problem: what is searched for.
        generations: how many times ``ask`` gives candidates.
        population: how many the first generation has.
        seed: of all draws.
        initial: architectures that begin the first generation (of a training's memory banks, or of
            another search), in any form that ``Space.arch`` takes; those outside the constraints
            are left out.

    Raises:
        UsageError: an option out of its range.
    """

    operators: ClassVar[str] = 'uniform'

    def __init__(
        self,
        problem: Problem,
        *,
        generations: int = 20,
        population: int = 64,
        seed: int = 0,
        operators: Mapping | str | None = None,
        initial: Sequence[Any] = (),
    ) -> None:
        for name, value in (('generations', generations), ('population', population)):
            number(f'algorithm.{name}', value, low=1, whole=True)
        self.problem, self.generations, self.population = problem, generations, population
        self.rng = np.random.default_rng(number('seed', seed, low=0, whole=True))
        self.generation, self._exhausted = 0, False
        self.operate = self._build_operators(operators)
        self._initial = self._read_initial(initial)
        self._seen: set[bytes] = set()
        self.genes = np.zeros((0, problem.space.num_genes), np.int64)
        self.scores = np.zeros((0, len(problem.objectives)))

    def _build_operators(self, given: Mapping | str | None) -> Operators:
        if given is not None and not isinstance(given, (str, Mapping)):
            raise UsageError(f'operators = {given!r}, expected a name or dict(type=name, ...)')
        options = dict(type=given) if isinstance(given, str) else dict(given or {})
        name = options.pop('type', self.operators)
        if name not in OPERATORS:
            raise UsageError(f'operators type = {name!r}, allowed: {", ".join(OPERATORS)}')
        return OPERATORS[name](self.problem.space, **options)

    def _read_initial(self, given: Sequence[Any]) -> np.ndarray:
        space = self.problem.space
        archs = [space.canonical(a) for a in given]
        genes = space.genes(archs) if archs else np.zeros((0, space.num_genes), np.int64)
        return genes[self.problem.feasible(genes)]

    # ------------------------------------------------------------------ the interface
    def ask(self) -> np.ndarray:
        """The candidates of the next generation (n, num_genes), none asked for before; at the end
        none.

        Raises:
            UsageError: not one candidate of a first generation was found within the constraints.
        """
        if self.generation >= self.generations:
            return self.genes[:0]
        found = self._first() if self.generation == 0 else self._next()
        self.generation += 1
        return found

    def tell(self, genes: np.ndarray, scores: np.ndarray) -> None:
        """Scores (n, objectives), to be minimised, of what ``ask`` gave."""
        self.genes = np.concatenate([self.genes, genes])
        self.scores = np.concatenate([self.scores, scores])

    def _first(self) -> np.ndarray:
        found = self._new(self._initial, self.population)
        return np.concatenate([found, self._random(self.population - len(found))])

    def _next(self) -> np.ndarray:
        raise NotImplementedError

    # ------------------------------------------------------------------ breeding
    def _new(self, genes: np.ndarray, n: int | None = None) -> np.ndarray:
        """Rows that were not there before, each once, ``n`` at most; from now on they were."""
        fresh = []
        for i, row in enumerate(genes):
            if len(fresh) == n:
                break
            key = row.tobytes()
            if key not in self._seen:
                self._seen.add(key)
                fresh.append(i)
        return genes[fresh]

    def _random(self, n: int) -> np.ndarray:
        """New random candidates; fewer where there are no more to be found."""
        found, have, stale = [self.genes[:0]], 0, 0
        for rows in self.problem.rounds(self.rng, n) if n > 0 and not self._exhausted else ():
            found.append(self._new(rows, n - have))
            have += len(found[-1])
            stale = 0 if len(found[-1]) else stale + len(rows)
            if have == n or stale > STALE:
                break
        if not self._seen:
            raise UsageError(nothing_found(self.problem))
        # Where few were found, there may be more to come; where none was, or the same again and
        # again, it is not looked for a second time.
        self._exhausted |= n > 0 and (not have or stale > STALE)
        return np.concatenate(found)

    def _bred(self, n: int, make: Any) -> np.ndarray:
        """New children of ``make(number)`` within all constraints; random ones fill up."""
        found, have = [self.genes[:0]], 0
        for _ in range(TRIES if n else 0):
            children = self.problem.space.canonical_genes(make(2 * n))
            children = children[self.problem.feasible(children)]
            found.append(self._new(children, n - have))
            have += len(found[-1])
            if have == n:
                return np.concatenate(found)
        return np.concatenate([*found, self._random(n - have)])

    def _mutants(self, pool: np.ndarray, n: int) -> np.ndarray:
        return self._bred(
            n, lambda k: self.operate.mutate(pairs(pool, k, self.rng).first, self.rng)
        )

    def _crossed(self, pool: np.ndarray, n: int) -> np.ndarray:
        return self._bred(n, lambda k: self.operate.cross(*pairs(pool, k, self.rng), self.rng))


class RandomSearch(Algorithm):
    """Random candidates within the constraints, ``population`` a generation."""

    def _next(self) -> np.ndarray:
        return self._random(self.population)


class Evolution(Algorithm):
    """Base of the papers' evolutions: mutants and crossed children of the better candidates.

    Args:
        mutations, crossovers: children a generation; one of them may be 0.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        population: int = 512,
        mutations: int = 128,
        crossovers: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(problem, population=population, **kwargs)
        self.mutations = number('algorithm.mutations', mutations, low=0, whole=True)
        self.crossovers = number('algorithm.crossovers', crossovers, low=0, whole=True)
        if not mutations + crossovers:
            raise UsageError(
                'algorithm: mutations = 0 and crossovers = 0, expected one of them to be at least 1'
            )

    def _next(self) -> np.ndarray:
        pool = self._pool()
        return np.concatenate(
            [self._mutants(pool, self.mutations), self._crossed(pool, self.crossovers)]
        )

    def _pool(self) -> np.ndarray:
        """Candidates that have children."""
        raise NotImplementedError


class ParetoEvolution(Evolution):
    """NASViT's (AttentiveNAS's): parents are the best candidate of every bin of a cost.

    The first generation begins with the smallest architecture.

    Args:
        bins: width of a bin, in units of the cost.
        bin_metric: the cost; None: the first cost among objectives and constraints.

    Raises:
        UsageError: one bin would hold the whole space.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        bins: float = 10e6,
        bin_metric: str | None = None,
        initial: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(problem, initial=[problem.space.smallest, *initial], **kwargs)
        costs = [name for name, metric in problem.metrics.items() if metric is not None]
        self.bin_metric = bin_metric or next(iter(costs), None)
        if self.bin_metric not in costs:
            raise UsageError(
                f'bin_metric = {bin_metric!r}, expected a cost among the objectives '
                f'and constraints: {", ".join(costs) or "there is none"}'
            )
        self.bins = number('algorithm.bins', bins, above=0)
        reach = problem.costs(problem.probes, [self.bin_metric])[self.bin_metric]
        if reach.max() > reach.min() and len(np.unique(reach // self.bins)) == 1:
            raise UsageError(
                f'algorithm.bins = {bins:g}, expected a width in units of {self.bin_metric}, of '
                f'which the space has {reach.min():g} to {reach.max():g}: one bin holds it whole'
            )

    def _pool(self) -> np.ndarray:
        cost = self.problem.costs(self.genes)[self.bin_metric]
        best: dict[int, int] = {}
        for i, (place, score) in enumerate(zip(cost // self.bins, self.scores[:, 0])):
            if place not in best or score < self.scores[best[place], 0]:
                best[place] = i
        return self.genes[list(best.values())]


class LevelEvolution(Evolution):
    """ElasticViT's: parents are the best candidates by the first objective.

    Args:
        keep: how many.
    """

    operators = 'field'

    def __init__(
        self, problem: Problem, *, keep: int = 256, generations: int = 40, **kwargs: Any
    ) -> None:
        super().__init__(problem, generations=generations, **kwargs)
        self.keep = number('algorithm.keep', keep, low=1, whole=True)

    def _pool(self) -> np.ndarray:
        return self.genes[np.argsort(self.scores[:, 0], kind='stable')[: self.keep]]


class NSGA2(Algorithm):
    """NSGA-II: pymoo's ranking and crowding, our operators.

    Args:
        mutation: share of the children that mutate after crossing.
    """

    def __init__(self, problem: Problem, *, mutation: float = 0.8, **kwargs: Any) -> None:
        super().__init__(problem, **kwargs)
        self.mutation = number('algorithm.mutation', mutation, low=0, high=1)
        self._survivors, self._survivor_scores = self.genes, self.scores  # of what was told so far
        self._rank = self._crowding = np.zeros(0)

    def tell(self, genes: np.ndarray, scores: np.ndarray) -> None:
        from pymoo.core.population import Population
        from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

        pool = Population.new(
            X=np.concatenate([self._survivors, genes]),
            F=np.concatenate([self._survivor_scores, scores]),
        )
        super().tell(genes, scores)
        kept = RankAndCrowding().do(
            _Unconstrained(),
            pool,
            n_survive=min(self.population, len(pool)),
            random_state=np.random.default_rng(self.generation),
        )
        self._survivors, self._survivor_scores = kept.get('X').astype(np.int64), kept.get('F')
        self._rank, self._crowding = kept.get('rank'), kept.get('crowding')

    def _next(self) -> np.ndarray:
        def make(n: int) -> np.ndarray:
            children = self.operate.cross(self._tournament(n), self._tournament(n), self.rng)
            mutated = self.operate.mutate(children, self.rng)
            return np.where(self.rng.random((n, 1)) < self.mutation, mutated, children)

        return self._bred(self.population, make)

    def _tournament(self, n: int) -> np.ndarray:
        """The better of two random survivors each: by front, then by crowding."""
        a, b = self.rng.integers(0, len(self._survivors), (2, n))
        second = (self._rank[b] < self._rank[a]) | (
            (self._rank[b] == self._rank[a]) & (self._crowding[b] > self._crowding[a])
        )
        return self._survivors[np.where(second, b, a)]


class ViTASEvolution(NSGA2):
    """ViTAS's: NSGA-II with two-point crossover and polynomial mutation, 40 times 50 candidates."""

    operators = 'polynomial'

    def __init__(
        self, problem: Problem, *, population: int = 50, generations: int = 40, **kwargs: Any
    ) -> None:
        super().__init__(problem, population=population, generations=generations, **kwargs)


class _Unconstrained:
    """What pymoo's survival asks of a problem: constraints are met before they are asked."""

    @staticmethod
    def has_constraints() -> bool:
        return False


ALGORITHMS = {
    'random': RandomSearch,
    'nasvit': ParetoEvolution,
    'elasticvit': LevelEvolution,
    'vitas': ViTASEvolution,
    'nsga2': NSGA2,
}


def build_algorithm(
    cfg: Mapping, problem: Problem, seed: int, initial: Sequence[Any] = ()
) -> Algorithm:
    """``dict(type=name, ...)`` to an algorithm.

    Args:
        initial: its argument, where ``cfg`` has none.

    Raises:
        UsageError: an unknown type or argument.
    """
    if not isinstance(cfg, Mapping):
        raise UsageError(f'algorithm = {cfg!r}, expected dict(type=name, ...)')
    options = dict({'initial': initial} if len(initial) else {}, **cfg)
    name = options.pop('type', None)
    if name not in ALGORITHMS:
        raise UsageError(f'algorithm type = {name!r}, allowed: {", ".join(ALGORITHMS)}')
    try:
        return ALGORITHMS[name](problem, seed=seed, **options)
    except TypeError as error:
        raise UsageError(f'algorithm {name}: {error}') from error
