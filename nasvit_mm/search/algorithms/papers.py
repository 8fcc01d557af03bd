"""The searches of the three papers, and the one that all of them have to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nasvit_mm.errors import UsageError, check_number
from nasvit_mm.registry import ALGORITHMS
from nasvit_mm.search.algorithms.base import Algorithm
from nasvit_mm.search.algorithms.genetic import NSGA2
from nasvit_mm.search.problem.problem import Problem


@ALGORITHMS.register_module(name='random')
class RandomSearch(Algorithm):
    """Ask for random feasible candidates, ``population`` a generation."""

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
        self.mutations = check_number('algorithm.mutations', mutations, low=0, whole=True)
        self.crossovers = check_number('algorithm.crossovers', crossovers, low=0, whole=True)
        if not mutations + crossovers:
            raise UsageError(
                'algorithm: mutations = 0 and crossovers = 0, expected one of them to be at least 1'
            )

    @property
    def children(self) -> int:
        return self.mutations + self.crossovers

    def _next(self) -> np.ndarray:
        pool = self._pool()
        return np.concatenate(
            [self._mutants(pool, self.mutations), self._crossed(pool, self.crossovers)]
        )

    def _pool(self) -> np.ndarray:
        """Return the candidates that have children, (n, num_genes)."""
        raise NotImplementedError


@ALGORITHMS.register_module(name='nasvit')
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
        self.bins = check_number('algorithm.bins', bins, above=0)
        reach = problem.costs(problem.probes, [self.bin_metric])[self.bin_metric]
        if reach.max() > reach.min() and len(np.unique(reach // self.bins)) == 1:
            raise UsageError(
                f'algorithm.bins = {bins:g}, expected a width in units of {self.bin_metric}, of '
                f'which the space has {reach.min():g} to {reach.max():g}: one bin holds it whole'
            )

    def _pool(self) -> np.ndarray:
        cost = self.problem.costs(self.genes, [self.bin_metric])[self.bin_metric]
        best: dict[int, int] = {}
        for i, (place, score) in enumerate(zip(cost // self.bins, self.scores[:, 0])):
            if place not in best or score < self.scores[best[place], 0]:
                best[place] = i
        return self.genes[list(best.values())]


@ALGORITHMS.register_module(name='elasticvit')
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
        self.keep = check_number('algorithm.keep', keep, low=1, whole=True)

    def _pool(self) -> np.ndarray:
        return self.genes[np.argsort(self.scores[:, 0], kind='stable')[: self.keep]]


@ALGORITHMS.register_module(name='vitas')
class ViTASEvolution(NSGA2):
    """ViTAS's: NSGA-II with two-point crossover and polynomial mutation, 40 times 50 candidates."""

    operators = 'polynomial'

    def __init__(
        self, problem: Problem, *, population: int = 50, generations: int = 40, **kwargs: Any
    ) -> None:
        super().__init__(problem, population=population, generations=generations, **kwargs)
