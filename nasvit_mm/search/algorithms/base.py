"""Search algorithms behind one interface: ask for candidates, be told how good they are.

All draw from one seeded generator and learn nothing but what they are told, in the order in which
they asked: so a search is a function of its seed and the results, and to resume is to repeat it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from mmengine.registry import Registry

from nasvit_mm.config import type_name
from nasvit_mm.errors import UsageError, check_number, unknown
from nasvit_mm.registry import ALGORITHMS, OPERATORS
from nasvit_mm.search.algorithms.operators import Operators, pairs
from nasvit_mm.search.problem.feasible import nothing_found
from nasvit_mm.search.problem.problem import Problem

TRIES = 60  # rounds of breeding before random candidates fill up
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
STALE = 4096  # random candidates without a new one, after which there is none


class Forecast(NamedTuple):
    """What was predicted of a generation's candidates before they were evaluated.

    Attributes:
        generation: its number.
        metric: the objective.
        predicted, measured: (n,) each, of the candidates that did not fail.
    """

    generation: int
    metric: str
    predicted: np.ndarray
    measured: np.ndarray

    @property
    def tau(self) -> float:
        """Kendall's tau of both orders; NaN of fewer than two candidates."""
        from scipy.stats import kendalltau

        return float(kendalltau(self.predicted, self.measured).statistic)


class Algorithm:
    """Base: candidates are canonical, feasible, and never the same twice.

    A subclass says in :meth:`_next` what to evaluate next: as many candidates as it likes, all of
    them from ``_random``, ``_bred`` (or ``_mutants``, ``_crossed``) or ``_new``.  One that chooses
    few of many ranks what ``_unseen`` leaves, and hands its choice to ``_new``.

    Args:
        problem: what is searched for.
        generations: how many times ``ask`` gives candidates.
        population: how many the first generation has.
        seed: of all draws.
        operators: how children are made, a name or ``dict(type=name, ...)``.
        initial: architectures that begin the first generation (of a training's memory banks, or of
            another search), in any form that ``Space.arch`` takes; infeasible ones are left out.

    Raises:
        UsageError: an option out of its range.

    Attributes:
        genes: what was told so far, (n, num_genes).
        scores: its objectives, to be minimised, (n, objectives).
        generation: how many generations were asked for.
        forecasts: what was predicted of candidates before they were evaluated, by generation; of
            an algorithm that predicts nothing none.
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
        self.problem = problem
        self.generations = check_number('algorithm.generations', generations, low=1, whole=True)
        self.population = check_number('algorithm.population', population, low=1, whole=True)
        self.rng = np.random.default_rng(check_number('seed', seed, low=0, whole=True))
        self.generation, self._exhausted = 0, False
        self.operate = self._build_operators(operators)
        self._initial = self._read_initial(initial)
        self._seen: set[bytes] = set()
        self.genes = np.zeros((0, problem.space.num_genes), np.int64)
        self.scores = np.zeros((0, len(problem.objectives)))
        self.forecasts: list[Forecast] = []

    def _build_operators(self, given: Mapping | str | None) -> Operators:
        if given is not None and not isinstance(given, (str, Mapping)):
            raise UsageError(f'operators = {given!r}, expected a name or dict(type=name, ...)')
        cfg = dict(type=given) if isinstance(given, str) else dict(given or {})
        cfg.setdefault('type', self.operators)
        return _build(OPERATORS, 'operators', cfg, self.problem.space)

    def _read_initial(self, given: Sequence[Any]) -> np.ndarray:
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise UsageError(f'algorithm.initial = {given!r}, expected a list of architectures')
        space = self.problem.space
        archs = [space.canonical(a) for a in given]
        genes = space.genes(archs) if archs else np.zeros((0, space.num_genes), np.int64)
        return genes[self.problem.feasible(genes)]

    @property
    def num_initial(self) -> int:
        """Number of feasible architectures that were given to begin with."""
        return len(self._initial)

    @property
    def children(self) -> int:
        """Number of candidates that a generation after the first has, at most."""
        return self.population

    # ------------------------------------------------------------------ the interface
    def ask(self) -> np.ndarray:
        """Return the candidates of the next generation, (n, num_genes), none asked for before.

        There are none after the last generation, and when the space has no more.

        Raises:
            UsageError: no feasible candidate was found for the first generation.
        """
        if self.generation >= self.generations:
            return self.genes[:0]
        if self.generation == 0:
            found = self._first()
        else:  # where all that was asked for failed, there is nothing to learn from
            found = self._next() if len(self.genes) else self._random(self.population)
        self.generation += 1
        return found

    def tell(self, genes: np.ndarray, scores: np.ndarray) -> None:
        """Learn how good candidates are.

        Args:
            genes: those of the last ``ask`` that did not fail, in their order, (n, num_genes).
            scores: their objectives, to be minimised, (n, objectives).
        """
        self.genes = np.concatenate([self.genes, genes])
        self.scores = np.concatenate([self.scores, scores])

    def learn(self, genes: np.ndarray, scores: np.ndarray, measured: bool = True) -> None:
        """Learn of candidates besides those that were asked for; of use to predictors alone.

        Args:
            genes: not asked for, of an earlier search under these constraints; or asked for and
                stopped early.
            scores: as of :meth:`tell`.
            measured: whether by all images; False: estimated.
        """

    def _first(self) -> np.ndarray:
        found = self._new(self._initial, self.population)
        return np.concatenate([found, self._random(self.population - len(found))])

    def _next(self) -> np.ndarray:
        """Return the candidates of a generation after the first, once something was told."""
        raise NotImplementedError

    # ------------------------------------------------------------------ breeding
    def _unseen(self, genes: np.ndarray, n: int | None = None) -> np.ndarray:
        """Return the rows that were not asked for yet, each once, the first ``n`` of them."""
        fresh: dict[bytes, int] = {}
        for i, row in enumerate(genes):
            if len(fresh) == n:
                break
            key = row.tobytes()
            if key not in self._seen:
                fresh.setdefault(key, i)
        return genes[list(fresh.values())]

    def _new(self, genes: np.ndarray, n: int | None = None) -> np.ndarray:
        """Return what ``_unseen`` does, and count it as asked for."""
        fresh = self._unseen(genes, n)
        self._seen.update(row.tobytes() for row in fresh)
        return fresh

    def _random(self, n: int) -> np.ndarray:
        """Return new random candidates; fewer than ``n`` where no more are found."""
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

    def _bred(self, n: int, make: Callable[[int], np.ndarray]) -> np.ndarray:
        """Return new feasible children out of ``make(number)``; random ones fill up to ``n``."""
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
        """Return ``n`` mutants of random rows of a pool."""
        return self._bred(
            n, lambda k: self.operate.mutate(pairs(pool, k, self.rng).first, self.rng)
        )

    def _crossed(self, pool: np.ndarray, n: int) -> np.ndarray:
        """Return ``n`` children of random pairs of rows of a pool."""
        return self._bred(n, lambda k: self.operate.cross(*pairs(pool, k, self.rng), self.rng))


def build_algorithm(
    cfg: Mapping, problem: Problem, seed: int, initial: Sequence[Any] = ()
) -> Algorithm:
    """Build the algorithm that ``dict(type=name, ...)`` describes.

    Args:
        initial: its argument, where ``cfg`` has none.

    Raises:
        UsageError: an unknown type or option, or an option out of its range.
    """
    if not isinstance(cfg, Mapping):
        raise UsageError(f'algorithm = {cfg!r}, expected dict(type=name, ...)')
    options = dict({'initial': initial} if len(initial) else {}, **cfg)
    return _build(ALGORITHMS, 'algorithm', options, problem, seed=seed)


def _build(registry: Registry, what: str, cfg: Mapping, subject: Any, **fixed: Any) -> Any:
    """Build ``kind(subject, **options, **fixed)`` of the kind that a config names."""
    options = {k: v for k, v in cfg.items() if k != 'type'}
    name, kinds = type_name(cfg), registry.module_dict
    if name not in kinds:
        raise UsageError(
            unknown(f'{what} type', cfg.get('type'), kinds)
            + '; custom_imports names the module of one of your own'
        )
    kind = kinds[name]
    allowed = [option for option in _options(kind) if option not in fixed]
    for option in options:
        if option not in allowed:
            raise UsageError(unknown(f'{what} {name}: option', option, allowed))
    try:
        inspect.signature(kind).bind(subject, **options, **fixed)
    except TypeError as error:  # one that it cannot do without
        raise UsageError(f'{what} {name}: {error}') from error
    return kind(subject, **options, **fixed)


def _options(kind: type) -> list[str]:
    """Return the names of a class's options, with those of its bases where it hands them on."""
    out: dict[str, None] = {}
    for base in kind.__mro__:
        if '__init__' not in vars(base):
            continue
        # The first two are the object itself and what it is built for.
        parameters = list(inspect.signature(base.__init__).parameters.values())[2:]
        out.update((p.name, None) for p in parameters if p.kind in NAMED)
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return list(out)
