"""Samplers: ElasticViT's against its released code; all of them: seeded, resumable, legal."""

from __future__ import annotations

import json
import random
import zlib
from collections import Counter

import numpy as np
import pytest

from nasvit_mm import get_space, list_spaces
from nasvit_mm.cost import count
from nasvit_mm.spaces import SlotSpace
from nasvit_mm.supernet import (
    LARGEST,
    SAMPLED,
    SAMPLERS,
    SMALLEST,
    BankSampler,
    LevelSampler,
    MemoryBank,
    SandwichSampler,
    SinglePathSampler,
    find_identity_probability,
)
from tests.conftest import Golden

MACS = 1e6


@pytest.fixture(scope='module')
def golden() -> Golden:
    return Golden('elasticvit')


@pytest.fixture(scope='module')
def tables(golden) -> dict[float, list]:
    stored = golden.json('flops_tables_first200.json.gz')
    return {int(level) * MACS: [e['arch'] for e in table] for level, table in stored.items()}


def macs(space, arch) -> float:
    return count(space, arch, counter='authors').macs / MACS


# ------------------------------------------------------------------ complexity-aware
def test_level_walk(golden, tables):
    stored = golden.json('sampler/level_walk.json.gz')
    sampler, visits = LevelSampler('elasticvit', tables=tables), Counter()
    assert [level / MACS for level in sampler.levels] == stored['levels_M']
    for step in range(1, 5001):
        next(sampler.draw(step))
        visits[sampler.level] += 1
        if step <= 200:
            assert sampler.level == stored['first_200_indices'][step - 1]
    assert [visits[i] for i in range(8)] == stored['visits_5000_steps']


def test_steps(golden, tables):
    """50 steps of the released code: levels, subnets, smallest subnets; banks stay empty."""
    for kind in (LevelSampler, BankSampler):
        sampler = kind('elasticvit', tables=tables)
        for stored in golden.json('sampler/step_sampler.json.gz')['first_50_steps']:
            *subnets, smallest = sampler.draw(stored['step'])
            assert sampler.level == stored['level_index']
            assert [macs('elasticvit', c.arch) for c in subnets] == pytest.approx(
                stored['uniform_macs_M']
            )
            assert macs('elasticvit', smallest.arch) == pytest.approx(stored['min_macs_M'])
            assert [c.role for c in (*subnets, smallest)] == [SAMPLED] * 3 + [SMALLEST]


def test_windows_without_tables():
    """Uniform draws of the level, above its smallest subnet, and no wider apart than published."""
    sampler, last = LevelSampler('elasticvit'), None
    floors = {}
    for step in range(1, 60):
        *subnets, smallest = sampler.draw(step)
        level = sampler.levels[sampler.level]
        for choice in subnets:
            cost = count('elasticvit', choice.arch, counter='authors').macs
            assert level <= cost <= level + 20e6
            assert all(a >= b for a, b in zip(choice.arch.width, smallest.arch.width))
            assert last is None or abs(cost - last) <= 320e6
        last = cost
        floors[level] = smallest.arch
    named = get_space('elasticvit').named
    assert floors[100e6] == floors[200e6] == named['elastic_min_200']
    assert floors[300e6] == floors[400e6] == named['elastic_min_400']
    assert sampler.smallest_of(1200e6) == named['elastic_min_800'] == sampler.smallest_of(500e6)


def test_floors_of_a_restricted_space():
    """What a restriction takes away does not lift the floor of the levels below."""
    space, resolutions = get_space('elasticvit'), [176, 192, 224, 256]
    restricted = space.restrict(resolution=resolutions)
    sampler = LevelSampler(restricted, levels=(100e6, 200e6, 300e6, 500e6))
    expected = dict(space.named['elastic_min_200'].to_dict(), resolution=176)
    assert sampler.smallest_of(100e6) == sampler.smallest_of(200e6) == space.arch(expected)
    assert sampler.smallest_of(300e6) == space.named['elastic_min_400']
    assert sampler.smallest_of(500e6) == space.named['elastic_min_800']
    deep = restricted.restrict(depth=[[1, 2], [3, 4], [3, 4], [2, 3], [2, 3], [2, 3], [2, 3]])
    sampler = LevelSampler(deep, levels=(200e6, 300e6))
    assert sampler.smallest_of(200e6) == deep.smallest
    assert sampler.smallest_of(300e6) == space.named['elastic_min_400']
    small = space.restrict(resolution=32)
    assert LevelSampler(small, levels=(15e6,)).smallest_of(15e6) == small.smallest


def test_levels_of_another_space():
    """Levels are arguments: NASViT, and a Twins pyramid by dense multiply-adds."""
    for space, levels, args in (
        ('nasvit', (300e6, 600e6), dict(counter='true')),
        ('vitas_twins', (2e9, 4e9), dict(input_size=(256, 256), part='backbone')),
    ):
        sampler = LevelSampler(space, levels=levels, tolerance=50e6, count_args=args, num=2)
        for step in range(1, 6):
            *subnets, smallest = sampler.draw(step)
            level = levels[sampler.level]
            assert len(subnets) == 2 and smallest.arch == get_space(space).smallest
            for choice in subnets:
                assert level <= count(space, choice.arch, **args).macs <= level + 100e6
    with pytest.raises(ValueError, match='no nasvit architecture has from 1e'):
        LevelSampler('nasvit', levels=(1e6, 5e8))
    with pytest.raises(ValueError, match='ascending'):
        LevelSampler('nasvit', levels=(6e8, 5e8))


# ------------------------------------------------------------------ performance-aware
def test_preference(golden):
    sampler = BankSampler('elasticvit', tables=None, levels=(100e6,))
    for case in golden.json('sampler/preference_scores.json.gz')['cases']:
        arch, anchor = (sampler.space.arch(case[k]) for k in ('arch', 'anchor'))
        assert sampler.preference([arch], anchor)[0] / MACS == pytest.approx(case['score'])


def test_bank_draws(golden):
    stored = golden.json('sampler/bank_draw.json.gz')
    bank, archs = MemoryBank([100]), get_space('elasticvit').sample(0, len(stored['neg_ce']))
    for arch, score in zip(archs, stored['neg_ce']):
        bank.insert(0, arch, score)
    drawn = [archs.index(bank.draw(0, np.random.RandomState(s))) for s in range(200)]
    assert drawn == stored['indices']


def synthetic(space, arch) -> float:
    """Minus the cross-entropy that the golden file gives an architecture."""
    text = json.dumps(plain(space.to_tuple(arch)), separators=(',', ':'))
    return -(2 + zlib.crc32(text.encode()) % 1000 / 1000)


def plain(x):
    return [plain(v) for v in x] if isinstance(x, (tuple, list)) else int(x)


def test_bank_dynamics(golden, tables):
    """1,600 steps of the released code with a made-up quality: every draw, the final banks."""
    stored = golden.json('sampler/bank_dynamics.json.gz')
    sampler = BankSampler('elasticvit', tables=tables, duplicates='keep')
    space, eligible, exploited = sampler.space, 0, 0
    for step in stored['steps']:
        found, flags = [], []
        for choice in sampler.draw(step['step']):
            if choice.role == SMALLEST:
                continue
            found.append(macs(space, choice.arch))
            flags.append(not choice.wants_score)
            eligible += sampler.bank.more_than_half(sampler.level)
            exploited += not choice.wants_score
            if choice.wants_score:
                sampler.observe(choice, synthetic(space, choice.arch))
        assert sampler.level == step['level_index']
        assert found == pytest.approx(step['uniform_macs_M']) and flags == step['exploit']
    for entries, theirs in zip(sampler.bank.entries, stored['final_banks'], strict=True):
        assert [(a, pytest.approx(s)) for a, s in entries] == [
            (space.arch(e['arch']), e['neg_ce']) for e in theirs
        ]
    assert exploited / eligible == pytest.approx(
        stored['exploit_fraction_when_bank_more_than_half_full'], abs=0.01
    )


def test_bank_updates_and_duplicates():
    space = get_space('elasticvit')
    archs = space.sample(0, 4)
    for duplicates, size in (('update', 2), ('keep', 3)):
        bank = MemoryBank([3], duplicates)
        for arch, score in zip((archs[0], archs[1], archs[0]), (-3.0, -2.0, -1.0)):
            bank.insert(0, arch, score)
        assert len(bank.entries[0]) == size and bank.best(0) == archs[0]
    bank = MemoryBank([2])
    for arch, score in zip(archs, (-3.0, -2.0, -4.0, -1.0)):
        bank.insert(0, arch, score)  # the third is worse than both, the fourth replaces the first
    assert bank.entries[0] == [(archs[3], -1.0), (archs[1], -2.0)]
    with pytest.raises(ValueError, match="'drop', allowed: 'update', 'keep'"):
        MemoryBank([1], 'drop')


def test_exploitation_grows():
    sampler = BankSampler('elasticvit', levels=(200e6,))
    assert [sampler.probability(e) for e in (0, 98, 99, 199, 599)] == pytest.approx(
        [0.2, 0.2, 0.35, 0.5, 1.1]
    )


def test_stale_entries():
    """The step's level's at the quarters of an epoch, all of them before the next epoch."""
    sampler = BankSampler('elasticvit', levels=(200e6, 400e6))
    archs = sampler.space.sample(0, 4)
    for i, arch in enumerate(archs):
        sampler.bank.insert(i % 2, arch, -1.0 - i)
    due = {}
    for step in range(1, 202):
        due[step] = [c.arch for c in sampler.stale(step, 100)]
        level = list(sampler.draw(step))[0].level
        if due[step] and step % 100 != 1:
            assert due[step] == archs[level::2]
    assert {step for step, found in due.items() if found} == {26, 51, 76, 101, 126, 151, 176, 201}
    assert len({tuple(found) for found in due.values() if found}) == 3  # both levels, and all
    assert set(due[101]) == set(archs)
    stale = sampler.stale(26, 100)[0]
    sampler.observe(stale, -9.0)
    assert (stale.arch, -9.0) in sampler.bank.entries[stale.level]
    assert not BankSampler('elasticvit', levels=(200e6,), refresh=False).stale(26, 100)


# ------------------------------------------------------------------ all of them
def make(name: str, space: str, **kwargs):
    if name in ('levels', 'bank'):
        largest = count(space, 'largest').macs
        kwargs = dict(
            levels=(0.3 * largest, 0.5 * largest), tolerance=0.05 * largest, count_args={}, **kwargs
        )
    if name == 'shrinking':
        schedule = [dict(steps=3), dict(steps=4, free=['depth']), dict(free='rest')]
        kwargs = dict(sampler=dict(type='sandwich'), schedule=schedule, **kwargs)
    return SAMPLERS.get(name)(space, **kwargs)


CASES = [
    (n, s)
    for n in SAMPLERS.module_dict
    for s in list_spaces()
    if n != 'bank' or not isinstance(get_space(s), SlotSpace)
]


@pytest.mark.parametrize(('name', 'space'), CASES)
def test_seeded_legal_and_resumable(name, space):
    def run(sampler, steps) -> list:
        out = []
        for step in steps:
            for i, choice in enumerate(sampler.draw(step)):
                assert choice.arch in sampler.space
                assert sampler.space.canonical(choice.arch) == choice.arch
                out.append(choice)
                if choice.wants_score:
                    sampler.observe(choice, -zlib.crc32(f'{step} {i}'.encode()) / 2**32)
        return out

    sampler = make(name, space, seed=3)
    early = run(sampler, range(1, 11))
    state = json.loads(json.dumps(sampler.state_dict()))
    random.seed(0), np.random.seed(0)  # global generators play no part
    late = run(sampler, range(11, 21))
    resumed = make(name, space, seed=3)
    resumed.load_state_dict(state)
    assert run(resumed, range(11, 21)) == late
    assert run(make(name, space, seed=3), range(1, 11)) == early
    assert run(make(name, space, seed=4), range(1, 11)) != early


@pytest.mark.parametrize('space', list_spaces())
def test_sandwich(space):
    choices = list(SandwichSampler(space, num_random=3, phases=2).draw(7))
    assert [c.role for c in choices] == [LARGEST, SMALLEST, *[SAMPLED] * 3]
    assert (choices[0].arch, choices[1].arch) == (
        get_space(space).largest,
        get_space(space).smallest,
    )
    assert {c.phase for c in choices} == {1}
    assert {c.phase for c in SandwichSampler(space, phases=2).draw(8)} == {0}


def test_single_path():
    """Cyclic: a phase a step, in turn; bilateral as in the public code: both, of one path."""
    cyclic = SinglePathSampler('vitas_twins', phases=2)
    steps = [list(cyclic.draw(step)) for step in range(1, 5)]
    assert [[c.phase for c in s] for s in steps] == [[1], [0], [1], [0]]
    both = SinglePathSampler('vitas_deit_small', phases=2, both_phases=True, identity=0.3)
    left, right = both.draw(1)
    assert left.arch == right.arch and (left.phase, right.phase) == (0, 1)
    with pytest.raises(ValueError, match='nasvit has no identities'):
        SinglePathSampler('nasvit', identity=0.5)


def test_identity_probability():
    """The public code's search: about 0.49 for a mean of 0.9 to 1.0 G, 0.28 for 1.45 to 1.6 G."""
    for low, high, expected in ((0.9e9, 1.0e9, 0.49), (1.45e9, 1.6e9, 0.28), (0.7e9, 0.9e9, 0.54)):
        found = find_identity_probability('vitas_deit_small', low, high, counter='authors')
        assert found == pytest.approx(expected, abs=0.06)
    with pytest.raises(ValueError, match='no probability of identities gives a mean from 9e'):
        find_identity_probability('vitas_deit_small', 9e9, 9.5e9)


def test_mistakes(tables):
    sampler = BankSampler('elasticvit', levels=(200e6,))
    with pytest.raises(ValueError, match='banks of 2 levels, the sampler has 1'):
        sampler.load_state_dict(dict(sampler.state_dict(), bank=[[], []]))
    with pytest.raises(ValueError, match='no entry of the table of level 1e'):
        next(LevelSampler('elasticvit', levels=(100e6,), tables={100e6: tables[200e6]}).draw(1))


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('sandwich', dict(num_random=-1), 'num_random = -1, expected a whole number, at least 0'),
        ('uniform', dict(num_random=0), 'num_random = 0, expected a whole number, at least 1'),
        ('single_path', dict(identity=1.0), r'identity = 1\.0, must be a probability below 1'),
        ('single_path', dict(phases=0), 'phases = 0'),
        ('sandwich', dict(seed=-1), 'seed = -1'),
        ('levels', dict(num=0), 'num = 0'),
        ('levels', dict(tolerance=float('nan')), 'tolerance = nan'),
        ('bank', dict(candidates=0), 'candidates = 0'),
        ('bank', dict(capacity=0), 'capacity = 0'),
        ('bank', dict(exploit_every=0), 'exploit_every = 0'),
        ('bank', dict(exploit=-0.1), r'exploit = -0\.1'),
        ('bank', dict(positions=['nope']), 'width has no position nope; there are stem'),
    ],
)
def test_numbers_out_of_range(name, options, message):
    """Before the first step, and not when a bank is half full."""
    space = 'vitas_twins' if name == 'single_path' else 'elasticvit'
    levels = dict(levels=(200e6,)) if name in ('levels', 'bank') else {}
    with pytest.raises(ValueError, match=message):
        SAMPLERS.get(name)(space, **levels, **options)


@pytest.mark.parametrize('name', ['sandwich', 'uniform', 'single_path'])
@pytest.mark.parametrize('space', ['vitas_deit_small', 'vitas_twins'])
def test_no_step_trains_a_network_without_a_block(space, name):
    sampler = SAMPLERS.get(name)(space)
    archs = [choice.arch for step in range(1, 301) for choice in sampler.draw(step)]
    assert all(any(arch.heads) for arch in archs)
    if name == 'single_path':
        mostly = SAMPLERS.get(name)(space, identity=0.95)
        assert all(any(choice.arch.heads) for step in range(100) for choice in mostly.draw(step))
