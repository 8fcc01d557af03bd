"""The search on a predictor."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nasvit_mm import apis
from nasvit_mm.errors import UsageError
from nasvit_mm.search import Archive, Problem, build_algorithm, search
from nasvit_mm.search.algorithms import surrogate
from nasvit_mm.search.algorithms.predictors import PREDICTORS, build_predictor
from nasvit_mm.search.algorithms.surrogate import hypervolume_gain
from nasvit_mm.search.halving import Rung
from nasvit_mm.search.problem.ranking import ranked
from tests.families import small
from tests.test_search import (
    common,
    toy,  # noqa: F401 (registers the evaluator)
)

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


@pytest.mark.parametrize('halving', [(), (Rung(0.5, 0.5),)])
def test_a_search_that_was_stopped_resumes_to_the_byte(halving, tmp_path) -> None:
    """In its second generation and in its third one, with those that it estimates too."""

    def run(folder, resume: bool = False) -> bytes:
        archive = Archive.open(folder, dict(search='surrogate'), resume)
        by = common.algorithm(common.problem(), 'surrogate')
        search(common.problem(), by, archive, common.spec(), halving=halving)
        return (folder / 'archive.jsonl').read_bytes()

    whole = run(tmp_path)
    for lines in (18, 30):
        begun = whole.splitlines(keepends=True)[:lines]
        (tmp_path / 'archive.jsonl').write_bytes(b''.join(begun))
        assert run(tmp_path, resume=True) == whole


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


def asked_for(seed: int = 0, learn: tuple = (), **options) -> np.ndarray:
    """The first generation, and the second one, by one predictor or another, (n, num_genes)."""
    cfg = dict(type='surrogate', generations=3, **{**OPTIONS, **options})
    algorithm = build_algorithm(cfg, PROBLEM, seed)
    for genes, measured in learn:
        algorithm.learn(genes, scores_of(genes), measured)
    first = algorithm.ask()
    algorithm.tell(first, scores_of(first))
    return np.concatenate([first, algorithm.ask()])


def scores_of(genes: np.ndarray) -> np.ndarray:
    return np.stack([-quality(genes), PROBLEM.costs(genes)['macs']], 1)


def test_it_begins_with_what_an_earlier_search_measured() -> None:
    """Then it evaluates no random candidates, and none that is known."""
    known = PROBLEM.sample(np.random.default_rng(5), 60)
    blind, knowing = asked_for()[:16], asked_for(learn=[(known, True)])[:16]

    def gain(genes: np.ndarray) -> float:
        both, worst = scores_of(np.concatenate([known, genes])), scores_of(known).max(0)
        span = np.ptp(scores_of(known), 0)
        return hypervolume((both - worst) / span + 1, np.ones(2))

    assert gain(knowing) > gain(blind)
    assert not {row.tobytes() for row in knowing} & {row.tobytes() for row in known}


def test_estimates_are_learned_and_are_no_front() -> None:
    """The first generation is random, the next one is another than without."""
    estimated = PROBLEM.sample(np.random.default_rng(5), 60)
    alone, learning = asked_for(), asked_for(learn=[(estimated, False)])
    assert (alone[:16] == learning[:16]).all() and (alone[16:] != learning[16:]).any()


def test_of_many_known_candidates_some_are_learned(monkeypatch) -> None:
    """Evenly over their ranks: among them the first, and the last."""
    monkeypatch.setattr(surrogate, 'LEARNED', 10)
    algorithm = build_algorithm(dict(type='surrogate', **OPTIONS), PROBLEM, 0)
    genes = PROBLEM.sample(np.random.default_rng(5), 60)
    algorithm.learn(genes, scores_of(genes))
    order = [row.tobytes() for row in genes[ranked(scores_of(genes))]]
    kept = [row.tobytes() for row in algorithm._known[0]]
    assert len(kept) == 10 and kept[0] == order[0] and kept[-1] == order[-1]


def test_predictors_draw_by_the_seed_of_the_search(monkeypatch) -> None:
    seeds = []

    def build(name: str, seed: int):
        seeds.append(seed)
        return build_predictor(name, seed)

    monkeypatch.setattr(surrogate, 'build_predictor', build)
    for seed in (0, 0, 1):
        asked_for(seed)
    built = [seeds[i + 1] for i in range(0, len(seeds), 2)]  # one checks that there is a predictor
    assert built[0] == built[1] != built[2]


def test_a_default_evaluates_a_few_a_generation() -> None:
    algorithm = build_algorithm(dict(type='surrogate'), PROBLEM, 0)
    assert algorithm.population + (algorithm.generations - 1) * algorithm.batch == 256


def test_gain_of_three_objectives() -> None:
    """About that of the hypervolume."""
    from pymoo.indicators.hv import HV

    problem = Problem(SPACE, ['score', 'macs', 'params'])
    algorithm = build_algorithm(dict(type='surrogate', **OPTIONS), problem, 0)
    rng = np.random.default_rng(0)
    told, points = rng.random((6, 3)) / 2 + 0.4, rng.random((20, 3))
    reference, volume = np.ones(3), HV(ref_point=np.ones(3))
    gains = algorithm._gains(points[None], told, reference)(told)
    exact = [volume(np.concatenate([told, [p]])) - volume(told) for p in points]
    box = (reference - np.minimum(told, points.min(0)).min(0)).prod()
    assert gains * box == pytest.approx(exact, abs=0.05 * box)
    assert gains.argmax() == np.argmax(exact)


def test_survivors_of_three_objectives_are_near_their_directions() -> None:
    """Of points on a plane the nearest to each of ten directions; crowding takes others."""
    from pymoo.util.ref_dirs import get_reference_directions

    corners = get_reference_directions('das-dennis', 3, n_partitions=3)
    near = corners + 0.01
    others = np.random.default_rng(0).dirichlet(np.ones(3), 60) + 0.05  # each beaten by none
    scores = np.concatenate([others, near])
    kept = set(surrogate.survivors(scores, 10))
    assert len(kept) == 10 and len(kept & {*range(60, 70)}) >= 8 > len(
        {*ranked(scores)[:10]} & {*range(60, 70)}
    )


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
