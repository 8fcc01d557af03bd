"""A search that evaluates few candidates of the many that a predictor has looked at.

After MoSegNAS (arXiv 2208.06820) and LINAS (arXiv 2202.12924), with the choice of what is evaluated
by expected hypervolume gain.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from nasvit_mm.errors import UsageError, check_number
from nasvit_mm.registry import ALGORITHMS
from nasvit_mm.search.algorithms.base import Forecast
from nasvit_mm.search.algorithms.genetic import NSGA2, spread_directions
from nasvit_mm.search.algorithms.operators import pairs
from nasvit_mm.search.algorithms.predictors import build_predictor, one_thread, scaled
from nasvit_mm.search.problem.ranking import ranked

DRAWS = 32  # of each candidate's metrics, by which its gain is expected
LEARNED = 1000  # candidates of an earlier search; a Gaussian process takes the cube of their number
POINTS = 1024  # by which the hypervolume of more than two objectives is estimated
MARGIN = 0.1  # of the range of scores, from their worst to the reference point
Gain = Callable[[np.ndarray], np.ndarray]  # front (n, objectives) -> gain of each candidate


@ALGORITHMS.register_module(name='surrogate')
class SurrogateNSGA2(NSGA2):
    """NSGA-II on predicted metrics, of three objectives and more NSGA-III; each generation
    evaluates a few of its candidates.

    A predictor of every measured objective learns from all that was told, and from what
    :meth:`learn` brings: candidates of an earlier search, and estimates of those that stopped
    early.  The inner search then runs on predictions, costs being exact, and of what it ends with
    the candidates are evaluated from which most hypervolume is expected, one after another: of two
    objectives exactly, of others over random points.

    scikit-learn's fits and predictions are of floating point: another kind of CPU, or other
    versions of it and of numpy, may round otherwise and then not resume an archive.

    Args:
        population: how many candidates the first generation evaluates, random ones where nothing
            is known.
        batch: how many a later one evaluates.
        predictor: ``'gp'``, ``'boosting'`` or ``'mlp'``.
        inner_population, inner_generations: of the search on predictions.

    Raises:
        UsageError: an option out of its range, no measured objective, or scikit-learn is missing.
    """

    def __init__(
        self,
        problem: Any,
        *,
        population: int = 48,
        generations: int = 14,
        batch: int = 16,
        predictor: str = 'gp',
        inner_population: int = 200,
        inner_generations: int = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(problem, population=population, generations=generations, **kwargs)
        if not problem.needed_metrics:
            raise UsageError(
                'algorithm surrogate predicts what an evaluator measures, and all objectives are '
                'costs: nsga2 needs no predictor'
            )
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
        # What was learned besides, measured and estimated: genes and scores.
        self._known, self._estimated = ((self.genes, self.scores) for _ in range(2))

    def learn(self, genes: np.ndarray, scores: np.ndarray, measured: bool = True) -> None:
        """See the base; estimates are for the predictor alone, and no part of a front.

        Of many candidates some are taken, evenly over their ranks.
        """
        if len(genes) > LEARNED:
            places = np.linspace(0, len(genes) - 1, LEARNED).round().astype(np.int64)
            kept = ranked(scores)[places]
            genes, scores = genes[kept], scores[kept]
        old = self._known if measured else self._estimated
        new = tuple(np.concatenate(both) for both in zip(old, (genes, scores)))
        if measured:
            self._known = new
        else:
            self._estimated = new

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

    def _first(self) -> np.ndarray:
        """Return the base's first generation, predicted candidates where it would be random ones if
        an earlier search is known.
        """
        if not len(self._known[0]):
            return super()._first()
        found = self._new(self._initial, self.population)
        return np.concatenate([found, self._proposed(self.population - len(found))])

    @property
    def children(self) -> int:
        return self.batch

    def _next(self) -> np.ndarray:
        return self._proposed(self.batch)

    def _proposed(self, n: int) -> np.ndarray:
        """Return the ``n`` candidates of which most is expected."""
        if n == 0:
            return self.genes[:0]
        told = {row.tobytes() for row in self.genes}  # what a search begins with is known and told
        others = [row.tobytes() not in told for row in self._known[0]]
        genes, scores = (
            np.concatenate([part, known[others]])
            for part, known in zip((self.genes, self.scores), self._known)
        )
        x, y = (np.concatenate(part) for part in zip((genes, scores), self._estimated))
        with one_thread():
            return self._found(self._fitted(x, y), genes, scores, n)

    def _fitted(self, genes: np.ndarray, scores: np.ndarray) -> list[Any]:
        """Return a predictor of each measured objective that has learned these candidates."""
        models = []
        for column in self._measured:
            model = build_predictor(self.predictor, int(self.rng.integers(2**31)))
            model.fit(self._features(genes), scores[:, column])
            models.append(model)
        return models

    def _found(
        self, models: list[Any], genes: np.ndarray, scores: np.ndarray, n: int
    ) -> np.ndarray:
        """Return new candidates by predictors, random ones where these find too few.

        Args:
            genes, scores: what was measured so far.
        """
        pool = self._evolved(models, genes, scores)
        known = {row.tobytes() for row in self._known[0]}  # what is measured brings nothing new
        pool = pool[[row.tobytes() not in known for row in pool]]
        if len(pool):
            pool = pool[self._chosen(*self._predicted(models, pool), scores, n)]
        found = self._new(pool, n)
        found = np.concatenate([found, self._random(n - len(found))])
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

    def _evolved(self, models: list[Any], genes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return unseen candidates that are good by their predictions, (n, num_genes)."""
        n = self.inner_population
        best = genes[ranked(scores)[: self.population]]
        rows = next((rows for rows in self.problem.rounds(self.rng, n) if len(rows)), best)
        pool = np.unique(np.concatenate([best, rows[:n]]), axis=0)
        for _ in range(self.inner_generations):
            children = self.operate.cross(*pairs(pool, 2 * n, self.rng), self.rng)
            mutated = self.operate.mutate(children, self.rng)
            hit = self.rng.random((len(children), 1)) < self.mutation
            children = self.problem.space.canonical_genes(np.where(hit, mutated, children))
            children = children[self.problem.feasible(children)][:n]
            if not len(children):
                break
            both = np.unique(np.concatenate([pool, children]), axis=0)
            predicted, _ = self._predicted(models, both)
            pool = both[survivors(predicted, n)]
        return self._unseen(pool)

    def _chosen(self, mean: np.ndarray, std: np.ndarray, told: np.ndarray, n: int) -> np.ndarray:
        """Return the places of the candidates to evaluate, the most promising first.

        Args:
            told: scores of what was measured, (m, objectives).
            n: how many at most.
        """
        reference = told.max(0) + MARGIN * np.ptp(told, 0)
        draws = mean + std * self.rng.standard_normal((DRAWS, *mean.shape))
        gains = self._gains(draws, told, reference)
        front, out = told, []
        open_ = np.ones(len(mean), bool)
        for _ in range(min(n, len(mean))):
            best = int(np.where(open_, gains(front), -1.0).argmax())
            open_[best] = False
            out.append(best)
            front = np.concatenate([front, mean[best : best + 1]])
        return np.array(out, np.int64)

    def _gains(self, draws: np.ndarray, told: np.ndarray, reference: np.ndarray) -> Gain:
        """Return the function that tells by how much each candidate enlarges a front's hypervolume.

        Args:
            draws: of the candidates' scores, (draws, n, objectives).
        """
        if draws.shape[-1] == 2:
            return lambda front: hypervolume_gain(draws, front, reference).mean(0)
        ideal = np.minimum(told.min(0), draws.min((0, 1)))
        points = self.rng.uniform(ideal, reference, (POINTS, len(reference)))
        beaten = dominates(draws, points)  # (draws, n, points)
        return lambda front: (beaten & ~dominates(front, points).any(0)).mean((0, 2))


def dominates(scores: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return which points are no better in any objective, (..., objectives) -> (..., points)."""
    out = np.ones((*scores.shape[:-1], len(points)), bool)
    for column in range(points.shape[1]):
        out &= scores[..., column, None] <= points[:, column]
    return out


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


def survivors(scores: np.ndarray, n: int) -> np.ndarray:
    """Return the places of the n best, by fronts and crowding as NSGA-II; of three objectives and
    more by fronts and reference directions as NSGA-III.
    """
    from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem as Unconstrained

    objectives, n = scores.shape[1], min(n, len(scores))
    if objectives < 3:
        return ranked(scores)[:n]
    people = Population.new(X=np.arange(len(scores))[:, None], F=scores)
    with warnings.catch_warnings():  # NSGA-III switches all warnings off
        kept = ReferenceDirectionSurvival(spread_directions(objectives, n)).do(
            Unconstrained(n_var=1, n_obj=objectives),
            people,
            n_survive=n,
            random_state=np.random.default_rng(0),
        )
    return kept.get('X')[:, 0].astype(np.int64)
