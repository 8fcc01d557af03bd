"""Which cheaper evaluation keeps the order: measured on the same candidates, and said."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import kendalltau

from nasvit_mm.errors import UsageError
from nasvit_mm.registry import SUBNET_EVALUATORS
from nasvit_mm.search import SubnetEvaluator, advice, compare_evaluations
from tests.test_search.common import problem, spec
from tests.test_search.toy import Toy


class Clock:
    """Processor time that only evaluations take."""

    now = 0.0

    def process_time(self) -> float:
        return self.now


CLOCK = Clock()
ALL = (1, 2, 'half', 'share 0.125', 'share 0.25', 'share 0.5')


@SUBNET_EVALUATORS.register_module(force=True)
class Costly(SubnetEvaluator):
    """Takes a second a batch and four for the images; ``rough`` are shares of images, numbers of
    batches and dtypes by which the order is another one.
    """

    shares = True

    def __init__(self, space, rough=(), slow=()) -> None:
        super().__init__(space)
        self.rough, self.slow, self.batches, self.dtype = rough, slow, 4, None

    def cheaper(self):
        yield from (dict(batches=1), dict(batches=2), dict(dtype='half'))

    def __call__(self, arch):
        return self.look(arch, 1)

    def look(self, arch, share):
        CLOCK.now += (self.batches + 4 * share) * (0.5 if self.dtype else 1)
        CLOCK.now += 9 if self.dtype in self.slow else 0
        wrong = {f'share {share:g}', self.batches, self.dtype} & set(self.rough)
        score = float(self.space.genes(arch).sum()) + 0.01 * self.space.genes(arch)[0]
        return dict(score=-score if wrong else score)


def found(rough=(), slow=(), number: int = 6, halving=()):
    plan = SimpleNamespace(
        problem=problem(),
        evaluators=[spec(dict(type='Costly', rough=rough, slow=slow))],
        halving=halving,
    )
    return compare_evaluations(plan, number, lambda archs, what: archs)[0]


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> None:
    monkeypatch.setattr(advice, 'time', CLOCK)
    monkeypatch.setattr(advice, 'get_device', lambda: 'cpu')


@pytest.mark.parametrize(
    ('rough', 'slow', 'changes', 'gain', 'share'),
    [
        ((), (), dict(batches=1, dtype='half'), 8 / 2.5, 0.125),
        ((1,), (), dict(batches=2, dtype='half'), 8 / 3, 0.125),
        (('half', 'share 0.125'), (), dict(batches=1), 8 / 5, 0.25),
        (ALL, (), {}, 1, None),
        ((), ('half',), dict(batches=1), 8 / 5, 0.125),  # half is no faster
        # What is cheaper than a way that fails has been lucky.
        ((2,), (), dict(dtype='half'), 2, 0.125),
        (('share 0.25',), (), dict(batches=1, dtype='half'), 8 / 2.5, 0.5),
    ],
)
def test_the_cheapest_that_keeps_the_order_is_chosen(rough, slow, changes, gain, share):
    advised = found(rough, slow)
    assert advised.chosen.changes == changes
    assert advised.gain == pytest.approx(gain)
    assert advised.share == share


@pytest.mark.parametrize(
    ('rough', 'changes', 'gain'),
    [
        ((), dict(share=0.125, batches=1, dtype='half'), 8 / 0.75),
        (('share 0.125',), dict(share=0.25, batches=1, dtype='half'), 8 / 1),
        # All three at once are another order; half and a share save more than the rest.
        ((0.75,), dict(share=0.125, dtype='half'), 8 / 2.25),
    ],
)
def test_a_share_may_judge_instead_of_all_images(monkeypatch, rough, changes, gain):
    """Together with other ways: those at once that save the most and keep the order."""

    def look(self, arch, share):
        share *= self.share
        taken = (self.batches + 4 * share) * (0.5 if self.dtype else 1)
        CLOCK.now += taken
        score = float(self.space.genes(arch).sum()) + 0.01 * self.space.genes(arch)[0]
        return dict(score=-score if {taken, f'share {share:g}'} & set(rough) else score)

    monkeypatch.setattr(Costly, 'takes_share', True)
    monkeypatch.setattr(Costly, 'share', 1.0, raising=False)
    monkeypatch.setattr(Costly, 'look', look)
    advised = found(rough)
    assert advised.chosen.changes == changes
    assert advised.gain == pytest.approx(gain)
    assert advised.share is None  # no look before what is one
    assert not any('halving' in line for line in advised.words())
    halved = found(rough, halving=('rung',))
    assert halved.words()[1].startswith('halving: leave it out')


@pytest.mark.parametrize(('seconds', 'changes'), [(7.9, {}), (7.5, dict(batches=1))])
def test_a_way_that_saves_next_to_nothing_is_left(monkeypatch, seconds, changes):
    def look(self, arch, share):
        CLOCK.now += seconds if self.batches == 1 else 8
        return dict(score=float(self.space.genes(arch).sum()))

    monkeypatch.setattr(Costly, 'look', look)
    assert found().chosen.changes == changes


def test_a_kind_may_have_several_options(monkeypatch):
    """All of a kind's changes are of the same options, which are told apart by their names."""

    def cheaper(self):
        yield from (dict(batches=1, dtype='half'), dict(batches=2, dtype='half'), dict(batches=3))

    monkeypatch.setattr(Costly, 'cheaper', cheaper)
    assert found().chosen.changes == dict(batches=1, dtype='half')
    assert found(rough=(2,)).chosen.changes == dict(batches=3)


def test_how_far_a_tau_is_known():
    """As scipy has it, and an interval around it that more candidates make smaller."""
    rng, spans = np.random.default_rng(0), []
    for number in (8, 64):
        values = rng.normal(size=number).round(1)  # with ties
        noisy = (values + rng.normal(size=number)).round(1)
        full, way = (advice.Way('', metrics=[dict(m=v) for v in of]) for of in (values, noisy))
        way.compare(full, ['m'])
        assert way.tau == pytest.approx(kendalltau(values, noisy).statistic)
        low, high = way.interval
        assert low < way.tau < high
        spans.append(high - low)
    assert spans[1] < spans[0] / 2
    same = advice.Way('', metrics=[dict(m=1.0)] * 8)
    same.compare(full=advice.Way('', metrics=[dict(m=1.0)] * 8), needed=['m'])
    assert same.interval == (-1, 1) and not same.tau >= 0


def test_a_look_that_cannot_be_had_is_left_out(monkeypatch):
    look = Costly.look

    def few(self, arch, share):
        if share < 0.2:
            raise UsageError('there are so few images')
        return look(self, arch, share)

    monkeypatch.setattr(Costly, 'look', few)
    advised = found()
    assert advised.share == 0.25 and 0.125 not in [way.share for way in advised.ways]
    assert advised.words()[-1] == 'not tried: there are so few images'


def test_what_to_write_is_said():
    evaluator, halving = found().words()
    assert evaluator.startswith("evaluator = dict(..., batches=1, dtype='half'): 3.2 times")
    assert halving.startswith('halving = dict(share=0.125, keep=0.5): ')
    assert found(ALL).words() == [
        'no cheaper way keeps the order (tau of at least 0.95): leave the evaluator as it is'
    ]


def test_all_ways_are_in_the_table_and_in_json():
    advised = found()
    ways = ['as the config has it', *(f'{s:g} of the images' for s in advice.SHARES)]
    ways += ['batches=1', 'batches=2', "dtype='half'", "batches=1, dtype='half'"]
    assert list(advised.table().columns[0].cells) == ways
    rows = advised.to_dict()['ways']
    assert [row['way'] for row in rows] == ways
    assert [row['seconds'] for row in rows] == [8, 4.5, 5, 6, 5, 6, 4, 2.5]


@pytest.mark.parametrize(
    ('number', 'evaluators', 'said'),
    [
        (3, [dict(type='Costly')], '--advise = 3'),
        (6, [], 'all objectives are costs'),
        (6, [dict(type='Blind')], 'Blind knows no cheaper way'),
    ],
)
def test_a_mistake_is_named(number, evaluators, said):
    SUBNET_EVALUATORS.register_module(
        'Blind', force=True, module=type('Blind', (Toy,), dict(shares=False))
    )
    plan = SimpleNamespace(problem=problem(), evaluators=[*map(spec, evaluators)])
    with pytest.raises(UsageError, match=said):
        compare_evaluations(plan, number, lambda archs, what: archs)
