"""Predictors of a metric from genes, each with an estimate of its own error."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import numpy as np

from nasvit_mm.errors import UsageError, unknown

MEMBERS = 5  # of an ensemble


class Prediction(NamedTuple):
    """Mean and standard deviation for each candidate, (n,) each."""

    mean: np.ndarray
    std: np.ndarray


class Regressor(Protocol):
    """What scikit-learn's regressors do."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> Any: ...

    def predict(self, x: np.ndarray) -> np.ndarray: ...


class GaussianProcess:
    """Matern 5/2 over the genes, a length scale for all, with noise.

    Args:
        seed: not used, the fit draws nothing.
    """

    def __init__(self, seed: int = 0) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        kernel = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(2.0, (0.1, 100.0), nu=2.5)
        kernel += WhiteKernel(0.1, (1e-6, 1.0))
        self._model = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        """Learn from genes scaled to 0 to 1, (n, num_genes), and their metric, (n,)."""
        with warnings.catch_warnings():  # of a length scale at its bound: a flat metric
            warnings.simplefilter('ignore')
            self._model.fit(x, y)

    def predict(self, x: np.ndarray) -> Prediction:
        """Predict the metric of genes scaled to 0 to 1, (n, num_genes)."""
        return Prediction(*self._model.predict(x, return_std=True))


class Ensemble:
    """Members of one kind, each trained on a sample with replacement; their spread is the error.

    Args:
        make: ``make(seed)``, a regressor.
        seed: of all draws.
    """

    def __init__(self, make: Callable[[int], Regressor], seed: int = 0) -> None:
        self._make, self._seed, self._members = make, seed, []

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        """Learn as :meth:`GaussianProcess.fit`."""
        rng = np.random.default_rng(self._seed)
        self._mean, self._std = y.mean(), y.std() or 1.0
        y, self._members = (y - self._mean) / self._std, []
        for member in range(MEMBERS):
            rows = rng.integers(0, len(x), len(x))
            with warnings.catch_warnings():  # of a fit that ends by its number of steps
                warnings.simplefilter('ignore')
                self._members.append(self._make(self._seed + member).fit(x[rows], y[rows]))

    def predict(self, x: np.ndarray) -> Prediction:
        """Predict as :meth:`GaussianProcess.predict`."""
        each = np.stack([member.predict(x) for member in self._members])
        return Prediction(each.mean(0) * self._std + self._mean, each.std(0) * self._std)


def _boosting(seed: int) -> Regressor:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(
        n_estimators=150, max_depth=3, learning_rate=0.1, subsample=0.8, random_state=seed
    )


def _mlp(seed: int) -> Regressor:
    from sklearn.neural_network import MLPRegressor

    return MLPRegressor(
        hidden_layer_sizes=(64, 64), alpha=1e-3, solver='lbfgs', max_iter=200, random_state=seed
    )


PREDICTORS: dict[str, Callable[[int], Any]] = {
    'gp': GaussianProcess,
    'boosting': lambda seed: Ensemble(_boosting, seed),
    'mlp': lambda seed: Ensemble(_mlp, seed),
}


def build_predictor(name: str, seed: int) -> Any:
    """Build a predictor by name.

    Raises:
        UsageError: an unknown name, or scikit-learn is missing.
    """
    if name not in PREDICTORS:
        raise UsageError(unknown('algorithm.predictor', name, PREDICTORS))
    try:
        return PREDICTORS[name](seed)
    except ImportError as error:
        raise UsageError(
            f'algorithm surrogate: {error}: pip install "nasvit_mm[search]"'
        ) from error


def one_thread() -> AbstractContextManager:
    """Return a context in which fits and predictions are those of one thread: with another number
    sums are of another order, and a search would not resume to the same candidates.
    """
    from threadpoolctl import threadpool_limits  # of scikit-learn

    return threadpool_limits(1)


def scaled(genes: np.ndarray, choices: Sequence[Sequence[Any]]) -> np.ndarray:
    """Return genes (n, num_genes) by the place of their choice, 0 to 1; a single choice is 0."""
    return genes / np.maximum([len(c) - 1 for c in choices], 1)
