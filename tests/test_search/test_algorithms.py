"""Operators and algorithms, on every space."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.util import find_spec

import numpy as np
import pytest

from nasvit_mm import get_space, list_spaces
from nasvit_mm.errors import UsageError
from nasvit_mm.search import (
    ALGORITHMS,
    OPERATORS,
    Algorithm,
    LevelEvolution,
    ParetoEvolution,
    Problem,
    build_algorithm,
    front,
    search,
)
from nasvit_mm.spaces import SlotSpace
from tests.commands import start
from tests.families import small
from tests.test_search.common import TOY, algorithm, problem, run
from tests.test_search.toy import Toy

without_numba = pytest.mark.skipif(find_spec('numba') is None, reason='pymoo needs numba for it')
NAMES = [
    pytest.param(name, marks=[without_numba] if name == 'age-moea' else [])
    for name in ALGORITHMS.module_dict
]


class Forget:
    """An archive that keeps nothing."""

    lines = ()

    def stored(self, index, arch):
        return None

    def append(self, record):
        pass

    keep = flush = close = lambda self, *args: None


def found(of, with_algorithm: Algorithm) -> list[dict]:
    return search(of, with_algorithm, Forget(), TOY)


@pytest.mark.parametrize('name', OPERATORS.module_dict)
@pytest.mark.parametrize('space', list_spaces())
def test_operators_stay_within_the_choices(space, name):
    of, rng = small(space), np.random.default_rng(0)
    operate, genes = OPERATORS.get(name)(of), of.sample_genes(0, 200)
    changed, crossed = operate.mutate(genes, rng), operate.cross(genes, genes[::-1], rng)
    sizes = np.array([len(c) for c in of.choices])
    for children in (changed, crossed):
        assert children.shape == genes.shape and children.dtype == genes.dtype
        assert ((children >= 0) & (children < sizes)).all()
    assert (changed != genes).any(1).mean() > 0.2
    assert ((crossed == genes) | (crossed == genes[::-1])).all()
    canonical = of.canonical_genes(changed)
    assert of.obeys(canonical).mean() > 0.01  # ElasticViT's widths must not fall


def test_uniform_mutation_changes_a_share_of_the_genes():
    of = get_space('nasvit')
    genes = of.sample_genes(0, 4000)
    changed = OPERATORS.get('uniform')(of, 0.3).mutate(genes, np.random.default_rng(0))
    free = np.array([len(c) > 1 for c in of.choices])
    assert (changed != genes)[:, free].mean() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize('space', [s for s in list_spaces() if isinstance(get_space(s), SlotSpace)])
def test_canonical_genes_are_those_of_the_canonical_architecture(space):
    of = get_space(space)
    rng = np.random.default_rng(0)
    genes = rng.integers(0, [len(c) for c in of.choices], (40, of.num_genes))
    for row, ours in zip(genes, of.canonical_genes(genes)):
        try:
            expected = of.genes(of.canonical(of.from_genes(row)))
        except ValueError:  # a block's choice is none of its new slot
            continue
        assert (ours == expected).all()
    assert of.obeys(of.canonical_genes(genes)).all()


@pytest.mark.parametrize('name', NAMES)
def test_candidates_are_feasible_canonical_and_new(name):
    check_candidates(problem(), name)


@pytest.mark.parametrize('space', list_spaces())
def test_candidates_of_every_space(space):
    check_candidates(problem(space), 'nsga2')


def check_candidates(of: Problem, name: str) -> None:
    records = found(of, algorithm(of, name))
    genes = of.space.genes([of.space.arch(r['arch']) for r in records])
    assert len(records) == 36 and of.feasible(genes).all()
    assert len({row.tobytes() for row in genes}) == len(records)
    assert (of.space.canonical_genes(genes) == genes).all()


@pytest.mark.parametrize('name', NAMES)
def test_a_search_is_a_function_of_its_seed_and_the_results(name):
    """It neither reads nor changes what is the process's; another search beside it is no matter."""
    state, filters = repr(np.random.get_state()), list(warnings.filters)
    by, beside = algorithm(problem(), name), algorithm(problem(), name, seed=1)
    mine, theirs = zip(*((learned(by), learned(beside)) for _ in range(3)))
    assert repr(np.random.get_state()) == state and warnings.filters == filters
    np.random.random(7)
    again = algorithm(problem(), name)
    assert all((learned(again) == genes).all() for genes in mine)
    assert all((a != b).any() for a, b in zip(mine, theirs))


@pytest.mark.parametrize('name', [p for p in NAMES if p.values != ('random',)])
def test_it_learns_from_the_results(name):
    told, otherwise = algorithm(problem(), name), algorithm(problem(), name)
    assert (learned(told) == learned(otherwise, sign=-1)).all()
    assert (told.ask() != otherwise.ask()).any()


def learned(by: Algorithm, sign: int = 1) -> np.ndarray:
    """Ask for a generation and tell how good it is, or how bad."""
    of, genes = by.problem, by.ask()
    score, costs = Toy(of.space), of.costs(genes)
    results = [
        dict(score(arch), **{name: values[i] for name, values in costs.items()})
        for i, arch in enumerate(of.archs(genes))
    ]
    by.tell(genes, sign * of.scores(results))
    return genes


def asked(names: Sequence[str]) -> str:
    """Return a digest of what searches by these algorithms ask for."""
    searches = [algorithm(problem(), name) for name in names]
    return sha256(b''.join(learned(by).tobytes() for by in searches for _ in range(3))).hexdigest()


def test_another_process_asks_for_the_same(tmp_path):
    names = [name for name in ALGORITHMS.module_dict if name != 'age-moea']  # see its docstring
    script = tmp_path / 'script.py'
    script.write_text(
        f'from tests.test_search.test_algorithms import asked\nprint(asked({names}))\n'
    )
    done = start(str(script))
    assert done.stdout.split()[-1:] == [asked(names)], done.stderr[-2000:]


@pytest.mark.parametrize('name', NAMES)
def test_failed_candidates_are_not_told(name):
    """Even where a generation fails whole, the first one too."""
    by, asked_for = algorithm(problem(), name, generations=6), []
    for told in (0, 1, 0, 5, 12, 0):
        genes = by.ask()
        asked_for.append(genes)
        by.tell(genes[:told], np.arange(2.0 * told).reshape(-1, 2))
    genes = np.concatenate(asked_for)
    assert len(genes) == len(np.unique(genes, axis=0)) == 72 and by.problem.feasible(genes).all()
    assert len(by.genes) == 18 and not len(by.ask())


@pytest.mark.parametrize('name', NAMES)
def test_it_ends_when_the_space_is_exhausted(name):
    """A space of twelve members has no thirteenth."""
    of = get_space('nasvit')
    fields = {
        f.name: [c[:1] for c in f.choices] if f.positions else f.choices[0][:4] for f in of.fields
    }
    fields['depth'][1] = of.field('depth').choices[1][:3]
    left = of.restrict(**fields)
    every = Problem(left, ['score', 'macs'])
    options = dict(bins=1e6) if name == 'nasvit' else {}
    records = found(every, algorithm(every, name, population=8, generations=9, **options))
    assert len(records) == left.num_architectures == 12
    assert records[-1]['generation'] < 8


@cache
def best(name: str) -> float:
    """The best score that a search of 320 candidates finds."""
    more = dict(nasvit=dict(bins=100e6), elasticvit=dict(keep=10))
    if name in more:
        more[name].update(mutations=20, crossovers=20)
    by = algorithm(problem(), name, population=40, generations=8, **more.get(name, {}))
    return max(r['metrics']['score'] for r in found(problem(), by))


@pytest.mark.parametrize('name', NAMES)
def test_it_finds_better_ones_than_random_search(name):
    assert best(name) > best('random') or name == 'random'


@pytest.mark.parametrize('name', ['nsga3', 'unsga3'])
def test_reference_directions_for_three_objectives(name):
    of = Problem(small('nasvit'), ['score', 'macs', 'params'])
    by = algorithm(of, name)
    assert by.pymoo.ref_dirs.shape == (10, 3)  # 3 parts a side; of 4 there are more than 12
    assert len(found(of, by)) == 36
    assert algorithm(of, name, ref_dirs=2).pymoo.ref_dirs.shape == (6, 3)
    corners = np.eye(3).tolist()
    assert (algorithm(of, name, ref_dirs=corners).pymoo.ref_dirs == np.eye(3)).all()


def test_an_algorithm_that_chooses_few_of_many():
    """What it does not choose may be asked for later."""

    class Chosen(Algorithm):
        def _next(self):
            of = self.problem
            many = of.space.canonical_genes(self.operate.mutate(self.genes, self.rng))
            many = self._unseen(many[of.feasible(many)])
            self.left = many[3:]
            return self._new(many[:3])

    by = Chosen(problem(), population=30, generations=3)
    learned(by)
    assert len(by.ask()) == 3 and len(by.left)
    assert (by._unseen(by.left) == by.left).all()


def test_an_algorithm_of_ones_own():
    @ALGORITHMS.register_module(name='own')
    class Own(Algorithm):
        def __init__(self, problem, *, step, **kwargs):
            super().__init__(problem, **kwargs)
            self.step = step

        def _next(self):
            return self._random(self.step)

    try:
        by = build_algorithm(dict(type='own', step=3, population=5, generations=3), problem(), 0)
        assert [r['generation'] for r in found(problem(), by)] == [0] * 5 + [1] * 3 + [2] * 3
        with pytest.raises(UsageError, match="option = 'stop' .did you mean step.*: step, gen"):
            build_algorithm(dict(type='own', stop=3), problem(), 0)
        with pytest.raises(UsageError, match="algorithm own: missing a required .*'step'"):
            build_algorithm(dict(type='own'), problem(), 0)
    finally:
        ALGORITHMS.module_dict.pop('own')


def test_an_archive_whose_later_generation_another_version_bred(tmp_path):
    """It is refused where the replay comes to it, and nothing is written."""
    run(tmp_path, 'nsga3')
    path = tmp_path / 'archive.jsonl'
    lines = path.read_bytes().splitlines(keepends=True)
    lines[14] = lines[14].replace(lines[14].split(b'"arch":')[1], lines[13].split(b'"arch":')[1])
    path.write_bytes(before := b''.join(lines))
    with pytest.raises(
        UsageError, match=r'candidate 13 of .*archive.jsonl is not the one .*another --work-dir'
    ):
        run(tmp_path, 'nsga3', resume=True)
    assert path.read_bytes() == before


def test_parents_of_the_papers():
    of = problem()
    pareto = build_algorithm(dict(type='nasvit', bins=10e6, population=20), of, 0)
    level = build_algorithm(dict(type='elasticvit', keep=5, population=20), of, 0)
    toy = Toy(of.space)
    for each in (pareto, level):
        genes = each.ask()
        archs = of.archs(genes)
        each.tell(
            genes,
            of.scores([{**toy(a), 'macs': int(m)} for a, m in zip(archs, of.costs(genes)['macs'])]),
        )
        values = np.array([toy(a)['score'] for a in archs])
        kept = {row.tobytes() for row in each._pool()}
        if isinstance(each, LevelEvolution):
            assert kept == {genes[i].tobytes() for i in np.argsort(-values)[:5]}
        else:
            assert isinstance(each, ParetoEvolution)
            bins = of.costs(genes)['macs'] // 10e6
            best = {
                genes[np.flatnonzero(bins == b)[values[bins == b].argmax()]].tobytes()
                for b in np.unique(bins)
            }
            assert kept == best


@pytest.mark.parametrize('operators', OPERATORS.module_dict)
@pytest.mark.parametrize('name', ['nasvit', 'elasticvit'])
@pytest.mark.parametrize('none', ['mutations', 'crossovers'])
def test_children_of_one_kind(name, operators, none):
    by = algorithm(problem(), name, operators=operators, **{none: 0})
    first = by.ask()
    by.tell(first, np.arange(2.0 * len(first)).reshape(-1, 2))
    assert len(by.ask()) == 6


def test_initial_architectures_come_first():
    of = problem()
    given = of.archs(of.sample(np.random.default_rng(9), 4))
    outside = of.space.largest
    asked = of.archs(algorithm(of, initial=[outside, *given]).ask())
    assert asked[:4] == given and outside not in asked


def test_front():
    of = problem()
    records = found(of, algorithm(of))
    best = front(of, records)
    points = [(-r['metrics']['score'], r['costs']['macs']) for r in records]
    for record in records:
        mine = (-record['metrics']['score'], record['costs']['macs'])
        beaten = any(p[0] <= mine[0] and p[1] <= mine[1] and p != mine for p in points)
        assert beaten == (record not in best)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(type='nsga4'), "'nsga4' .did you mean nsga3.*, allowed: .*nsga2.*; custom_imp"),
        (dict(), 'algorithm type = None, allowed: '),
        (dict(type='random', size=4), "algorithm random: option = 'size', allowed: generations, "),
        (
            dict(type='nsga2', ref_dirs=4),
            "algorithm nsga2: option = 'ref_dirs', allowed: mutation,",
        ),
        (dict(type='vitas', seed=4), "algorithm vitas: option = 'seed', allowed: population, gen"),
        (dict(type='random', initial=4), 'algorithm.initial = 4, expected a list of arch'),
        (dict(type='nsga3', ref_dirs=99), '64, expected at least one .* of the 100 reference dir'),
        (dict(type='nsga3', population=1), 'population = 1, expected at least one .* the 2 ref'),
        (dict(type='nsga3', ref_dirs=0), 'ref_dirs = 0, expected a whole number, at least 1'),
        (dict(type='nsga3', ref_dirs='energy'), "ref_dirs = 'energy', expected a whole number"),
        (dict(type='nsga3', ref_dirs=[[1, 0, 0]]), 'ref_dirs = .*, expected vectors of 2 numbers'),
        (dict(type='nsga3', ref_dirs=[[1], [1, 0]]), 'ref_dirs = .*, expected vectors of 2'),
        (dict(type='nsga3', ref_dirs=[[0, 0]]), 'ref_dirs = .*, none of them negative and one ab'),
        (dict(type='nsga3', ref_dirs=[[1, -1]]), 'ref_dirs = .*, none of them negative and one'),
        (dict(type='random', population=0), 'population = 0'),
        (
            dict(type='nsga2', operators='bitflip'),
            "operators type = 'bitflip', allowed: uniform, field",
        ),
        (dict(type='nasvit', bin_metric='params'), "'params', expected a cost among"),
        ('nsga2', r"algorithm = 'nsga2', expected dict\(type=name"),
        (dict(type='nasvit', bins=0), 'algorithm.bins = 0, expected a number, above 0'),
        (dict(type='nasvit', bins='10M'), "algorithm.bins = '10M'"),
        (
            dict(type='nasvit', mutations=-1),
            'algorithm.mutations = -1, expected a whole number, at l',
        ),
        (dict(type='nasvit', mutations=0, crossovers=0), 'expected one of them to be at least 1'),
        (
            dict(type='elasticvit', keep=0),
            'algorithm.keep = 0, expected a whole number, at least 1',
        ),
        (
            dict(type='nsga2', mutation=5),
            'algorithm.mutation = 5, expected a number, at least 0, at m',
        ),
        (dict(type='nsga2', operators=['uniform']), 'operators = .*, expected a name or dict'),
        (dict(type='nsga2', operators=dict(type='uniform', probability=5)), 'probability = 5'),
        (dict(type='nsga2', operators=dict(depth=1)), "uniform: option = 'depth', allowed: prob"),
        (dict(type='elasticvit', operators=dict(type='field', spread=-1)), 'operators.spread = -1'),
        (
            dict(type='vitas', operators=dict(type='polynomial', eta=-1)),
            'operators.eta = -1, expected',
        ),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(UsageError, match=message):
        build_algorithm(options, problem(), 0)


def test_one_objective_is_too_few_for_a_hypervolume():
    with pytest.raises(UsageError, match='SMSEMOA weighs .* at least 2, the search has 1; nsga2'):
        build_algorithm(dict(type='sms-emoa'), Problem(small('nasvit'), ['score']), 0)


@pytest.mark.parametrize('name', ['nsga2', 'nsga3', 'unsga3', 'vitas'])
def test_one_objective(name):
    of = Problem(small('nasvit'), ['score'])
    assert len(found(of, algorithm(of, name))) == 36


def test_a_package_that_pymoo_lacks(monkeypatch):
    monkeypatch.setitem(sys.modules, 'numba', None)
    monkeypatch.delitem(sys.modules, 'pymoo.algorithms.moo.age', raising=False)
    with pytest.raises(UsageError, match='algorithm AGEMOEA of pymoo: .*numba'):
        build_algorithm(dict(type='age-moea'), problem(), 0)


@pytest.mark.parametrize('seed', [-1, 'a', 1.5])
def test_seeds_that_are_none(seed):
    with pytest.raises(UsageError, match=f'seed = {seed!r}, expected a whole number, at least 0'):
        build_algorithm(dict(type='random'), problem(), seed)


def test_more_initial_architectures_than_the_population():
    """Those that do not fit are left to breeding and chance, not barred for good."""
    of = problem('nasvit')
    initial = of.archs(of.sample(np.random.default_rng(0), 20))
    many = build_algorithm(dict(type='random', population=4, generations=9), of, 0, initial)
    assert len(many.ask()) == 4 and len(many._seen) == 4
    asked = np.concatenate([many.ask() for _ in range(8)])
    assert len(asked) == 32


@pytest.mark.parametrize('metric', ['macs', 'params'])
def test_one_bin_for_the_whole_space(metric):
    of = Problem(small('nasvit'), ['score', metric])
    with pytest.raises(
        UsageError,
        match=rf'bins = 1e\+12, expected a width in units of {metric}, '
        r'of which the space has [\d.e+]+ to',
    ):
        build_algorithm(dict(type='nasvit', bins=1e12), of, 0)


def test_elasticvits_operators_are_corrected():
    """The released mutation never reaches the largest depth or another resolution; of values that
    it draws anew 55 % are the smallest.  Whole fields cross.
    """
    of, rng = get_space('elasticvit'), np.random.default_rng(0)
    operate, genes = OPERATORS.get('field')(of), np.repeat(of.genes([of.largest]), 20_000, 0)
    changed = operate.mutate(genes, rng)
    for field in of.fields:
        columns = operate.columns[field.name]
        sizes = np.array([len(c) for c in field.choices])
        smallest = (changed[:, columns] == 0).mean(0)[sizes > 1]
        sizes = sizes[sizes > 1]
        expected = 0.4 / sizes if field.name == 'depth' else 0.2 * (0.55 + 0.45 / sizes)
        assert smallest == pytest.approx(expected, abs=0.02), field.name
    back = operate.mutate(np.zeros_like(genes), rng)
    assert (back.max(0) == np.array([len(c) for c in of.choices]) - 1).all()

    first, second = of.sample_genes(1, 200), of.sample_genes(2, 200)
    child = operate.cross(first, second, rng)
    for field in of.fields:
        columns = operate.columns[field.name]
        whole = [(child[:, columns] == parent[:, columns]).all(1) for parent in (first, second)]
        assert (whole[0] | whole[1]).all() and not whole[0].all() and not whole[1].all()
