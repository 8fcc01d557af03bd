"""The search on a predictor."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nasvit_mm import apis
from nasvit_mm.errors import UsageError
from nasvit_mm.search import Problem, build_algorithm
from nasvit_mm.search.algorithms.predictors import PREDICTORS, build_predictor
from nasvit_mm.search.algorithms.surrogate import hypervolume_gain
from tests.families import small
from tests.test_search import toy  # noqa: F401 (registers the evaluator)

SPACE = small('nasvit')
PROBLEM = Problem(SPACE, ['score', 'macs'])
OPTIONS = dict(population=16, batch=8, inner_population=40, inner_generations=4)


def quality(genes: np.ndarray) -> np.ndarray:
    """More is better, with less and less gain, and pairs of genes that go together."""
    x = genes / np.maximum([len(c) - 1 for c in SPACE.choices], 1)
    return np.sqrt(x).sum(1) + x[:, :-1][:, ::3].sum(1) * x[:, -1]


def told(name: str, evaluations: int, **options) -> np.ndarray:
    """Scores of so many evaluations by an algorithm, (n, 2)."""
    algorithm, found = build_algorithm(dict(type=name, **options), PROBLEM, seed=0), []
    while sum(map(len, found)) < evaluations:
        genes = algorithm.ask()
        scores = np.stack([-quality(genes), PROBLEM.costs(genes)['macs']], 1)
        algorithm.tell(genes, scores)
        found.append(scores)
    return np.concatenate(found)[:evaluations]


def hypervolume(scores: np.ndarray, reference: np.ndarray) -> float:
    from pymoo.indicators.hv import HV

    return float(HV(ref_point=np.ones(2))(scores / reference))


def test_gain_is_that_of_the_hypervolume() -> None:
    rng = np.random.default_rng(0)
    front, points = rng.random((5, 2)) / 2 + 0.4, rng.random((40, 2)) * 1.3
    gains = hypervolume_gain(points, front, np.ones(2))
    before = hypervolume(front, np.ones(2))
    after = [hypervolume(np.concatenate([front, [p]]), np.ones(2)) for p in points]
    assert np.allclose(gains, np.array(after) - before) and (gains > 0).any() and (gains == 0).any()


@pytest.mark.parametrize('name', PREDICTORS)
def test_a_predictor_learns_and_knows_its_error(name) -> None:
    genes = SPACE.sample_genes(0, 140)
    x = genes / np.maximum([len(c) - 1 for c in SPACE.choices], 1)
    model = build_predictor(name, 0)
    model.fit(x[:100], quality(genes[:100]))
    mean, std = model.predict(x[100:])
    truth = quality(genes[100:])
    assert np.corrcoef(mean, truth)[0, 1] > 0.7
    assert (std > 0).all() and np.abs(mean - truth).mean() < 3 * std.mean()


def test_it_is_ahead_of_nsga2_by_fewer_evaluations() -> None:
    few = told('surrogate', 64, generations=20, **OPTIONS)
    many = told('nsga2', 128, generations=20, population=16)
    reference = np.array([1.0, np.abs(np.concatenate([few, many])[:, 1]).max()])
    few[:, 0], many[:, 0] = few[:, 0] / 50 + 1, many[:, 0] / 50 + 1
    assert hypervolume(few, reference) > hypervolume(many, reference)


def test_forecasts_are_kept_and_reported(tmp_path) -> None:
    config = dict(
        space=SPACE.to_dict(),
        objectives=['score', 'macs'],
        evaluator=dict(type='Toy'),
        algorithm=dict(type='surrogate', generations=3, **OPTIONS),
    )
    apis.run_search(config, tmp_path, quiet=True)
    page = (tmp_path / 'report.html').read_text()
    data = json.loads(page.partition('id="data">')[2].partition('</script>')[0])
    records = [r for r in data['records'] if r['generation'] == 2]
    last = data['forecasts'][-1]
    assert [f['generation'] for f in data['forecasts']] == [1, 2]
    assert last['measured'] == [r['metrics']['score'] for r in records]
    assert len(last['predicted']) == len(records) and -1 <= last['tau'] <= 1


def test_more_than_two_objectives() -> None:
    problem = Problem(SPACE, ['score', 'other', 'macs'])
    algorithm = build_algorithm(dict(type='surrogate', generations=3, **OPTIONS), problem, seed=0)
    for _ in range(2):
        genes = algorithm.ask()
        macs = problem.costs(genes)['macs']
        algorithm.tell(genes, np.stack([-quality(genes), genes[:, 0], macs], 1).astype(float))
    assert {f.metric for f in algorithm.forecasts} == {'score', 'other'}
    assert len(algorithm.ask()) == OPTIONS['batch']


@pytest.mark.parametrize(
    'objectives, options, message',
    [
        (['macs'], {}, 'all objectives are costs'),
        (['score', 'macs'], dict(predictor='forest'), 'allowed: gp, boosting, mlp'),
        (['score', 'macs'], dict(batch=50), 'algorithm.inner_population = 40'),
    ],
)
def test_a_mistake(objectives, options, message) -> None:
    with pytest.raises(UsageError, match=message):
        build_algorithm(
            dict(type='surrogate', **{**OPTIONS, **options}), Problem(SPACE, objectives), 0
        )
