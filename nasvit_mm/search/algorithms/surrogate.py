"""A search that evaluates few candidates of the many that a predictor has looked at.

After MoSegNAS (arXiv 2208.06820) and LINAS (arXiv 2202.12924), with the choice of what is evaluated
by expected hypervolume gain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nasvit_mm.errors import UsageError, check_number
from nasvit_mm.registry import ALGORITHMS
from nasvit_mm.search.algorithms.base import Forecast
from nasvit_mm.search.algorithms.genetic import NSGA2
from nasvit_mm.search.algorithms.operators import pairs
from nasvit_mm.search.algorithms.predictors import build_predictor, scaled

DRAWS = 32  # of each candidate's metrics, by which its gain is expected
MARGIN = 0.1  # of the range of scores, from their worst to the reference point


@ALGORITHMS.register_module(name='surrogate')
class SurrogateNSGA2(NSGA2):
    """NSGA-II on predicted metrics; each generation evaluates a few of its candidates.

    A predictor of every measured objective learns from all that was told.  NSGA-II then runs on
    predictions, costs being exact, and of what it ends with the candidates are evaluated from which
    most hypervolume is expected, one after another (of three objectives and more: by fronts and
    crowding).

    Args:
        population: how many random candidates the first generation evaluates.
        batch: how many a later one evaluates; None: as many.
        predictor: ``'gp'``, ``'boosting'`` or ``'mlp'``.
        inner_population, inner_generations: of NSGA-II on predictions.

    Raises:
        UsageError: an option out of its range, no measured objective, or scikit-learn is missing.
    """

    def __init__(
        self,
        problem: Any,
        *,
        population: int = 48,
        batch: int | None = None,
        predictor: str = 'gp',
        inner_population: int = 200,
        inner_generations: int = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(problem, population=population, **kwargs)
        if not problem.needed_metrics:
            raise UsageError(
                'algorithm surrogate predicts what an evaluator measures, and all objectives are '
                'costs: nsga2 needs no predictor'
            )
        batch = population if batch is None else batch
        self.batch = check_number('algorithm.batch', batch, low=1, whole=True)
        self.inner_population = check_number(
            'algorithm.inner_population', inner_population, low=self.batch, whole=True
        )
        self.inner_generations = check_number(
            'algorithm.inner_generations', inner_generations, low=1, whole=True
        )
        build_predictor(predictor, 0)
        self.predictor = predictor
        self._measured = [
            i for i, o in enumerate(problem.objectives) if o.metric in problem.needed_metrics
        ]
        self._asked: dict[bytes, np.ndarray] = {}  # genes -> predicted scores

    def tell(self, genes: np.ndarray, scores: np.ndarray) -> None:
        super().tell(genes, scores)
        known = [i for i, row in enumerate(genes) if row.tobytes() in self._asked]
        if known:
            predicted = np.stack([self._asked[genes[i].tobytes()] for i in known])
            for column in self._measured:
                objective = self.problem.objectives[column]
                both = predicted[:, column], scores[known, column]
                predictions, values = (objective.sign * each for each in both)
                self.forecasts.append(
                    Forecast(self.generation - 1, objective.metric, predictions, values)
                )
        self._asked = {}

    def _next(self) -> np.ndarray:
        models = []
        for column in self._measured:
            model = build_predictor(self.predictor, self.generation)
            model.fit(self._features(self.genes), self.scores[:, column])
            models.append(model)
        pool = self._evolved(models)
        if len(pool):
            pool = pool[self._chosen(*self._predicted(models, pool))]
        found = self._new(pool, self.batch)
        found = np.concatenate([found, self._random(self.batch - len(found))])
        if len(found):
            predicted, _ = self._predicted(models, found)
            self._asked = {row.tobytes(): p for row, p in zip(found, predicted)}
        return found

    def _features(self, genes: np.ndarray) -> np.ndarray:
        return scaled(genes, self.problem.space.choices)

    def _predicted(self, models: list[Any], genes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the scores, (n, objectives) each."""
        costs = self.problem.costs(genes)
        mean = np.zeros((len(genes), len(self.problem.objectives)))
        std = np.zeros_like(mean)
        for column, objective in enumerate(self.problem.objectives):
            if column in self._measured:
                model = models[self._measured.index(column)]
                mean[:, column], std[:, column] = model.predict(self._features(genes))
            else:
                mean[:, column] = objective.sign * costs[objective.metric]
        return mean, std

    def _evolved(self, models: list[Any]) -> np.ndarray:
        """Return unseen candidates that are good by their predictions, (n, num_genes)."""
        n = self.inner_population
        rows = next((rows for rows in self.problem.rounds(self.rng, n) if len(rows)), self.genes)
        pool = np.unique(np.concatenate([self._survivors(), rows[:n]]), axis=0)
        scores, _ = self._predicted(models, pool)
        for _ in range(self.inner_generations):
            children = self.operate.cross(*pairs(pool, 2 * n, self.rng), self.rng)
            mutated = self.operate.mutate(children, self.rng)
            hit = self.rng.random((len(children), 1)) < self.mutation
            children = self.problem.space.canonical_genes(np.where(hit, mutated, children))
            children = children[self.problem.feasible(children)][:n]
            if not len(children):
                break
            both = np.unique(np.concatenate([pool, children]), axis=0)
            scores, _ = self._predicted(models, both)
            kept = _survivors(scores, n)
            pool, scores = both[kept], scores[kept]
        return self._unseen(pool)

    def _chosen(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """Return the places of the candidates to evaluate, the most promising first."""
        if mean.shape[1] != 2:
            return _survivors(mean - std, min(self.batch, len(mean)))
        told = self.scores
        reference = told.max(0) + MARGIN * np.ptp(told, 0)
        draws = mean + std * self.rng.standard_normal((DRAWS, *mean.shape))
        front, out = told, []
        open_ = np.ones(len(mean), bool)
        for _ in range(min(self.batch, len(mean))):
            gain = np.where(open_, hypervolume_gain(draws, front, reference).mean(0), -1.0)
            best = int(gain.argmax())
            open_[best] = False
            out.append(best)
            front = np.concatenate([front, mean[best : best + 1]])
        return np.array(out, np.int64)


def hypervolume_gain(points: np.ndarray, front: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return by how much each point enlarges the hypervolume of two objectives.

    Args:
        points: to be minimised, (..., 2).
        front: points that are there, dominated ones may be among them, (n, 2).
        reference: the point up to which it counts, (2,).

    Returns:
        (...); 0 of dominated points.
    """
    order = np.lexsort((front[:, 1], front[:, 0]))
    first, best = front[order, 0], np.minimum.accumulate(front[order, 1])
    # Between two values of the first objective the second one has to be below `height`.
    edges = np.concatenate([[-np.inf], np.minimum(first, reference[0]), reference[:1]])
    height = np.minimum(np.concatenate([reference[1:], best]), reference[1])
    a, b = points[..., :1], points[..., 1:]
    width = np.maximum(edges[1:] - np.maximum(edges[:-1], a), 0)
    return (width * np.maximum(height - b, 0)).sum(-1)


def _survivors(scores: np.ndarray, n: int) -> np.ndarray:
    """Return the places of the n best, by fronts and crowding as NSGA-II."""
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem as Unconstrained
    from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

    places = np.arange(len(scores))
    people = Population.new(X=places[:, None], F=scores)
    kept = RankAndCrowding().do(
        Unconstrained(n_var=1, n_obj=scores.shape[1]),
        people,
        n_survive=min(n, len(scores)),
        random_state=np.random.default_rng(0),
    )
    return kept.get('X')[:, 0].astype(np.int64)
