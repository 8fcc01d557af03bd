"""Operators and algorithms, on every space."""

from __future__ import annotations

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
from tests.families import small
from tests.test_search.common import TOY, algorithm, problem
from tests.test_search.toy import Toy


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


@pytest.mark.parametrize('name', OPERATORS)
@pytest.mark.parametrize('space', list_spaces())
def test_operators_stay_within_the_choices(space, name):
    of, rng = small(space), np.random.default_rng(0)
    operate, genes = OPERATORS[name](of), of.sample_genes(0, 200)
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
    changed = OPERATORS['uniform'](of, 0.3).mutate(genes, np.random.default_rng(0))
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


@pytest.mark.parametrize('name', ALGORITHMS)
@pytest.mark.parametrize('space', list_spaces())
def test_candidates_are_within_the_budget_and_new(space, name):
    of = problem(space)
    records = found(of, algorithm(of, name))
    genes = of.space.genes([of.space.arch(r['arch']) for r in records])
    assert len(records) == 36 and of.feasible(genes).all()
    assert len({row.tobytes() for row in genes}) == len(records)
    assert (of.space.canonical_genes(genes) == genes).all()
    assert records == found(of, algorithm(of, name))
    assert records != found(of, algorithm(of, name, seed=1))


@pytest.mark.parametrize('name', [n for n in ALGORITHMS if n != 'random'])
def test_it_finds_better_ones_than_random_search(name):
    of = problem()
    sizes = dict(population=40, generations=8)
    more = dict(
        nasvit=dict(mutations=20, crossovers=20, bins=100e6),
        elasticvit=dict(mutations=20, crossovers=20, keep=10),
    )
    best = [
        max(
            r['metrics']['score']
            for r in found(of, build_algorithm(dict(sizes, type=kind, **more.get(kind, {})), of, 0))
        )
        for kind in (name, 'random')
    ]
    assert best[0] > best[1]


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


@pytest.mark.parametrize('operators', OPERATORS)
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


def test_a_small_budget_ends_early_without_repeating():
    """A space of twelve members has no thirteenth."""
    of = get_space('nasvit')
    fields = {
        f.name: [c[:1] for c in f.choices] if f.positions else f.choices[0][:4] for f in of.fields
    }
    fields['depth'][1] = of.field('depth').choices[1][:3]
    left = of.restrict(**fields)
    every = Problem(left, ['score'])
    records = found(
        every, build_algorithm(dict(type='nsga2', population=8, generations=9), every, 0)
    )
    assert len(records) == left.num_architectures == 12


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
        (dict(type='nsga3'), "'nsga3', allowed: random, nasvit"),
        (dict(type='random', size=4), 'size'),
        (dict(type='random', population=0), 'population = 0'),
        (dict(type='nsga2', operators='bitflip'), "'bitflip', allowed: uniform, field"),
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
    operate, genes = OPERATORS['field'](of), np.repeat(of.genes([of.largest]), 20_000, 0)
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
