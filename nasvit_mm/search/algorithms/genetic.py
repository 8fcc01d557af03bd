"""Genetic algorithms of pymoo behind our interface.

pymoo's objects select parents and survivors.  The candidates are ours: drawn within the
constraints, bred by our operators, in canonical form, none twice over the whole search.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from importlib import import_module
from math import comb
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nasvit_mm.errors import UsageError, check_number, first_line
from nasvit_mm.registry import ALGORITHMS
from nasvit_mm.search.algorithms.base import Algorithm
from nasvit_mm.search.algorithms.operators import Parents
from nasvit_mm.search.problem.problem import Problem

if TYPE_CHECKING:
    from pymoo.algorithms.base.genetic import GeneticAlgorithm


class PymooAlgorithm(Algorithm):
    """Base: a subclass names one of pymoo's genetic algorithms as ``module:class``.

    Args:
        population: how many candidates survive, and how many a generation has.
        mutation: share of the children that mutate after crossing.

    Raises:
        UsageError: the algorithm needs a package that is not installed.
    """

    source: ClassVar[str]
    min_objectives: ClassVar[int] = 1

    def __init__(self, problem: Problem, *, mutation: float = 0.8, **kwargs: Any) -> None:
        super().__init__(problem, **kwargs)
        if len(problem.objectives) < self.min_objectives:
            raise UsageError(
                f'algorithm: {type(self).__name__} weighs objectives against one another, expected '
                f'at least {self.min_objectives}, the search has {len(problem.objectives)}; nsga2 '
                'needs no more than one'
            )
        self.mutation = check_number('algorithm.mutation', mutation, low=0, high=1)
        self.pymoo = self._set_up()

    def _set_up(self) -> GeneticAlgorithm:
        from pymoo.core.problem import Problem as Unconstrained
        from pymoo.core.termination import NoTermination

        module, name = self.source.split(':')
        try:
            kind = getattr(import_module(module), name)
        except Exception as error:  # pymoo raises no subclass where numba is missing
            raise UsageError(
                f'algorithm {type(self).__name__} of pymoo: {first_line(error)}'
            ) from error
        # pymoo's default arguments are objects that all instances would share.
        algorithm = deepcopy(kind(pop_size=self.population, **self._arguments()))
        top = np.array([len(c) for c in self.problem.space.choices]) - 1
        return algorithm.setup(
            Unconstrained(n_var=len(top), n_obj=len(self.problem.objectives), xl=0, xu=top),
            termination=NoTermination(),  # the search's generations end it
        )

    def _arguments(self) -> dict[str, Any]:
        """Return what pymoo's class takes besides the population."""
        return {}

    def tell(self, genes: np.ndarray, scores: np.ndarray) -> None:
        from pymoo.core.population import Population

        super().tell(genes, scores)
        if not len(genes):
            return
        # A generator of its own for every generation, as archives of earlier versions have it.
        self.pymoo.random_state = np.random.default_rng(self.generation)
        with warnings.catch_warnings():  # NSGA-III switches all warnings off
            self.pymoo.tell(infills=Population.new(X=genes, F=scores))

    def _next(self) -> np.ndarray:
        def make(n: int) -> np.ndarray:
            children = self.operate.cross(*self._parents(n), self.rng)
            mutated = self.operate.mutate(children, self.rng)
            return np.where(self.rng.random((n, 1)) < self.mutation, mutated, children)

        return self._bred(self.population, make)

    def _survivors(self) -> np.ndarray:
        """Return the genes of pymoo's population, (survivors, num_genes)."""
        return self.pymoo.pop.get('X').astype(np.int64)

    def _parents(self, n: int) -> Parents:
        """Return two survivors for each of n children, as pymoo's algorithm selects them."""
        algorithm = self.pymoo
        algorithm.random_state = self.rng
        chosen = algorithm.mating.selection(
            algorithm.problem,
            algorithm.pop,
            n,
            n_parents=2,
            to_pop=False,
            algorithm=algorithm,
            random_state=self.rng,
        )  # (n, 2)
        return Parents(*self._survivors()[chosen.T])


@ALGORITHMS.register_module(name='nsga2')
class NSGA2(PymooAlgorithm):
    """NSGA-II (Deb et al. 2002): fronts, and crowding within them."""

    source = 'pymoo.algorithms.moo.nsga2:NSGA2'

    def _parents(self, n: int) -> Parents:
        """Return the better of two random survivors each: by front, then by crowding.

        pymoo's tournament takes its pairs one by one, and other draws than archives of earlier
        versions have.
        """
        rank, crowding = self.pymoo.pop.get('rank', 'crowding')
        a, b = self.rng.integers(0, len(rank), (2, 2, n)).swapaxes(0, 1)  # (parent, child) each
        second = (rank[b] < rank[a]) | ((rank[b] == rank[a]) & (crowding[b] > crowding[a]))
        return Parents(*self._survivors()[np.where(second, b, a)])


@ALGORITHMS.register_module(name='nsga3')
class NSGA3(PymooAlgorithm):
    """NSGA-III (Deb and Jain 2014): reference directions, for three objectives and more.

    Args:
        ref_dirs: the directions, a list of vectors with a value for each objective; or in how many
            parts Das and Dennis's divide the unit simplex.  None: as many parts as give no more
            directions than the population has candidates.
    """

    source = 'pymoo.algorithms.moo.nsga3:NSGA3'

    def __init__(
        self,
        problem: Problem,
        *,
        ref_dirs: int | Sequence[Sequence[float]] | None = None,
        **kwargs: Any,
    ) -> None:
        self._ref_dirs = ref_dirs
        super().__init__(problem, **kwargs)

    def _arguments(self) -> dict[str, Any]:
        directions = self._directions()
        if len(directions) > self.population:
            raise UsageError(
                f'algorithm.population = {self.population}, expected at least one candidate for '
                f'each of the {len(directions)} reference directions: enlarge it, or give fewer '
                'ref_dirs'
            )
        return dict(ref_dirs=directions)

    def _directions(self) -> np.ndarray:
        """Return the reference directions, (n, objectives)."""
        from pymoo.util.ref_dirs import get_reference_directions

        given, objectives = self._ref_dirs, len(self.problem.objectives)
        if objectives == 1:
            return np.ones((1, 1))
        if isinstance(given, Sequence) and not isinstance(given, str):
            try:
                directions = np.array(given, float)
            except (TypeError, ValueError):
                directions = np.zeros(0)
            if (
                directions.ndim != 2
                or directions.shape[1] != objectives
                or not (np.isfinite(directions) & (directions >= 0)).all()
                or not directions.any(1).all()
            ):
                raise UsageError(
                    f'algorithm.ref_dirs = {given!r}, expected vectors of {objectives} numbers, '
                    'one for each objective, none of them negative and one above 0'
                )
            return directions
        if given is None:
            return spread_directions(objectives, self.population)
        parts = check_number('algorithm.ref_dirs', given, low=1, whole=True)
        return get_reference_directions('das-dennis', objectives, n_partitions=parts)


def spread_directions(objectives: int, most: int) -> np.ndarray:
    """Return as many of Das and Dennis's reference directions as there may be, (n, objectives)."""
    from pymoo.util.ref_dirs import get_reference_directions

    parts = 1
    while comb(parts + objectives, objectives - 1) <= most:
        parts += 1
    return get_reference_directions('das-dennis', objectives, n_partitions=parts)


@ALGORITHMS.register_module(name='unsga3')
class UNSGA3(NSGA3):
    """U-NSGA-III (Seada and Deb 2016): NSGA-III with a tournament, for any number of objectives."""

    source = 'pymoo.algorithms.moo.unsga3:UNSGA3'


@ALGORITHMS.register_module(name='age-moea')
class AGEMOEA(PymooAlgorithm):
    """AGE-MOEA (Panichella 2019): fits the shape of the front.

    pymoo compiles it with numba, for the CPU that it runs on: another kind of CPU may round
    otherwise and then not resume an archive.
    """

    source = 'pymoo.algorithms.moo.age:AGEMOEA'


@ALGORITHMS.register_module(name='sms-emoa')
class SMSEMOA(PymooAlgorithm):
    """SMS-EMOA (Beume et al. 2007): keeps what adds most to the hypervolume."""

    source = 'pymoo.algorithms.moo.sms:SMSEMOA'
    min_objectives = 2
