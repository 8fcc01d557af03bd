"""Costs of whole dense models, budgets, and drawing within them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from nasvit_mm import get_space, list_spaces
from nasvit_mm.cost import count
from nasvit_mm.dense import SearchedModel, build_model, count_model
from nasvit_mm.errors import UsageError
from nasvit_mm.search import SLOW, Problem, build_algorithm
from nasvit_mm.search.problem import feasible as draw
from tests.test_search.common import problem

SEG = Path(__file__).resolve().parents[2] / 'configs/seg'
TASKS = [
    ('nasvit_ade20k', 'nasvit', (512, 512)),
    ('nasvit_cityscapes', 'nasvit', (512, 1024)),
    ('elasticvit_ade20k', 'elasticvit', (512, 512)),
    ('vitas_ade20k', 'vitas_twins', (512, 512)),
    ('vitas_ade20k_upernet', 'vitas_twins', (512, 512)),
    ('vitas_deit_ade20k', 'vitas_deit_small', (496, 512)),
]


def task(name: str, space: str, **backbone) -> SearchedModel:
    cfg = Config.fromfile(SEG / f'{name}.py')
    cfg.model.backbone.update(backbone)
    return SearchedModel(cfg, get_space(space))


@pytest.mark.parametrize(('name', 'space', 'size'), TASKS)
def test_the_formula_is_the_trace_of_the_built_model(name, space, size):
    of = task(name, space)
    genes = of.space.uniform_genes(5, 2)
    total, head = of.total(genes, size), of.head(genes, size)
    for i, arch in enumerate(of.space.from_genes(genes)):
        traced = count_model(build_model(of.config(arch)), size)
        assert (total.macs[i], total.params[i]) == (traced.total_macs, traced.total_params)
        assert head.macs[i] == traced.total_macs - traced.macs['backbone']
        assert sum(total.breakdown.values())[i] == total.macs[i]


def test_a_tap_makes_the_head_the_same_for_all():
    of = task('nasvit_ade20k', 'nasvit', out_width=32)
    genes = of.space.uniform_genes(0, 50)
    assert len(set(of.head(genes, (256, 256)).macs)) == 1
    assert len(set(of.total(genes, (256, 256)).macs)) > 1


def test_a_task_of_another_family_is_refused():
    with pytest.raises(UsageError, match="'nasvit_mm.NASViT', which does not serve .*vitas_twins"):
        task('nasvit_ade20k', 'vitas_twins')


def test_named_costs():
    of = Problem(
        get_space('nasvit'),
        ['macs'],
        [
            dict(metric='backbone.params', high=20e6),
            dict(metric='classifier.macs', low=1),
            dict(metric='macs@512x1024', low=1),
            dict(metric='head.macs', low=1),
        ],
        task('nasvit_ade20k', 'nasvit'),
        (512, 512),
    )
    genes = of.space.uniform_genes(0, 4)
    costs = of.costs(genes)
    assert (costs['classifier.macs'] == count('nasvit', genes).macs).all()
    assert (costs['macs'] == of.task.total(genes, (512, 512)).macs).all()
    assert (costs['macs@512x1024'] == of.task.total(genes, (512, 1024)).macs).all()
    assert (costs['backbone.params'] == of.task.backbone(genes, (512, 512)).params).all()
    assert (costs['head.macs'] == of.task.head(genes, (512, 512)).macs).all()
    assert of.needed_metrics == []


@pytest.mark.parametrize('space', list_spaces())
def test_draws_lie_in_a_rare_window(space):
    """The slimmest thousandth: no draw by trial would find it in time."""
    of = get_space(space)
    drawn = of.sample_genes(0, 2000)
    costs = np.sort(count(of, drawn[of.usable(drawn)]).macs)
    low, high = float(costs[1]), float(costs[3])
    within = Problem(of, ['macs'], [dict(metric='macs', low=low, high=high)])
    genes = within.sample(np.random.default_rng(0), 200)
    macs = count(of, genes).macs
    assert ((low <= macs) & (macs <= high)).all() and of.obeys(genes).all()
    assert len({row.tobytes() for row in genes}) > 20


@pytest.mark.parametrize('high', [165e9, 180e9])
def test_a_budget_most_of_which_the_head_takes(high):
    """RetinaNet's 159 G count in every candidate; what fits the rest is rare, and there."""
    det = SEG.parent / 'det/vitas_coco.py'
    of = Problem(
        get_space('vitas_twins'),
        ['macs'],
        [dict(metric='macs', high=high)],
        SearchedModel(Config.fromfile(det), get_space('vitas_twins')),
        (800, 1344),
    )
    genes = next(of.rounds(np.random.default_rng(0), 64))
    assert len(genes) > 50 and len({row.tobytes() for row in genes}) > 50
    assert of.feasible(genes).all()


@pytest.mark.parametrize('space', list_spaces())
def test_a_bound_far_outside_the_reach(space):
    """It says no more than none, and costs no precision."""
    least, most = count(space, [get_space(space).smallest, get_space(space).largest], 224).macs
    for bounds in (dict(low=0.97 * most, high=1e14), dict(low=-1e14, high=1.03 * least)):
        of = Problem(get_space(space), ['macs'], [dict(metric='macs', **bounds)], input_size=224)
        genes = next(of.rounds(np.random.default_rng(0), 64))
        assert len(genes) > 20 and of.feasible(genes).all()


@pytest.mark.parametrize('space', list_spaces())
def test_two_constraints(space):
    of = problem(space)
    macs = of.constraints[0]
    params = sorted(count(of.space, of.sample(np.random.default_rng(0), 100)).params)
    both = Problem(of.space, ['score'], [macs._asdict(), dict(metric='params', high=params[50])])
    genes = both.sample(np.random.default_rng(1), 30)
    assert both.feasible(genes).all() and count(of.space, genes).params.max() <= params[50]


def rare() -> Problem:
    """Two constraints that leave 2e-5 of the space together, each alone much."""
    return Problem(
        get_space('nasvit'),
        ['macs'],
        [dict(metric='macs', high=4.609e8), dict(metric='params', low=13514890)],
        input_size=224,
    )


def test_a_rare_joint_budget():
    of = rare()
    asked = build_algorithm(dict(type='random', population=64, generations=2), of, 0).ask()
    assert len(asked) == len({row.tobytes() for row in asked}) == 64 and of.feasible(asked).all()


def test_a_generation_of_few_is_not_the_last(monkeypatch):
    """A short look finds some of a rare budget; the next generation looks again."""
    monkeypatch.setattr(draw, 'WINDOW_ROUNDS', 1)
    monkeypatch.setattr(draw, 'ROUNDS', 1)
    by = build_algorithm(
        dict(type='random', population=8192, generations=3),
        Problem(
            get_space('nasvit'),
            ['macs'],
            [dict(metric='macs', high=4.8e8), dict(metric='params', low=13e6)],
            input_size=224,
        ),
        0,
    )
    sizes = [len(by.ask()) for _ in range(3)]
    assert all(0 < size < 8192 for size in sizes)


def test_a_budget_of_few_members_is_searched_to_its_end():
    """Of the slimmest 200 parameters there are fewer than the first generation wants."""
    of = get_space('nasvit').restrict(resolution=[192])
    drawn = of.sample_genes(0, 4000)
    costs = np.sort(count(of, drawn, 224).params)
    few = Problem(
        of,
        ['macs'],
        [dict(metric='params', low=float(costs[0]), high=float(costs[0]))],
        input_size=224,
    )
    algorithm = build_algorithm(dict(type='random', population=5000, generations=3), few, 0)
    first = algorithm.ask()
    algorithm.tell(first, few.scores([dict(macs=1.0)] * len(first)))
    assert 0 < len(first) < 5000 and not len(algorithm.ask())


def test_a_rare_window_of_parameters():
    of = get_space('nasvit')
    params = np.sort(count(of, of.sample_genes(0, 4000), 224).params)
    low, high = float(params[1]), float(params[3])
    within = Problem(of, ['macs'], [dict(metric='params', low=low, high=high)], input_size=224)
    drawn = within.sample(np.random.default_rng(0), 100)
    assert within.feasible(drawn).all() and len({row.tobytes() for row in drawn}) > 20


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            dict(constraints=[dict(metric='macs', high=1e6)]),
            r'at most 1e\+06: the space reaches from',
        ),
        (dict(constraints=[dict(metric='macs', low=1e12)]), 'at least 1e'),
        (
            dict(constraints=[dict(metric='macs', low=3e8, high=2e8)]),
            'the lower bound is the larger',
        ),
        (dict(constraints=[dict(metric='mIoU', low=3)]), 'only costs'),
        (dict(constraints=[dict(metric='macs', max=3)]), r'expected dict\(metric=, low=, high=\)'),
        (dict(objectives=[]), 'no objectives'),
        (dict(objectives=[dict(metric='macs', goal='low')]), "'low', allowed: min, max"),
        (dict(objectives=['backbone.macs']), 'the search has none: give task'),
        (dict(objectives=['neck.macs']), "part = 'neck', allowed: total, backbone"),
        (dict(objectives=['macs@512']), "'macs@512' is no cost, whose names are"),
        (dict(objectives=['backbone.latency']), "'backbone.latency' is no cost"),
        (dict(objectives=['latency@512x512']), "'latency@512x512' is no cost"),
        (dict(objectives=['macs@16x16']), "'macs@16x16' at input_size = .16, 16.: .*at least 32"),
        (dict(objectives=5), 'objectives = 5, expected a list'),
        (dict(objectives=[5]), r'objective 5: expected dict\(metric=name'),
        (dict(constraints=['macs<5e8']), r"'macs<5e8': expected dict\(metric=, low=, high=\)"),
        (dict(constraints=[dict(metric=5, high=3)]), r'expected dict\(metric=, low=, high=\)'),
        (dict(constraints=[dict(metric='macs')]), "'macs' has no bound"),
        (dict(constraints=[dict(metric='macs', high='5G')]), "high = '5G', expected a number"),
        (dict(constraints=[dict(metric='macs', low=float('nan'))]), 'low = nan, expected a number'),
        (dict(input_size=16), 'at input_size = .16, 16.: .*at least 32 pixels'),
        (dict(input_size='512x512'), "'512x512', expected a side or .height, width."),
        (dict(input_size=(224, 224, 3)), 'expected a side or .height, width.'),
        (dict(input_size=512.0), 'input_size = 512.0, expected'),
        (dict(input_size=(512.5, 512)), 'a side = 512.5, expected a whole number, at least 1'),
    ],
)
def test_mistakes(options, message):
    options = dict(dict(objectives=['macs']), **options)
    with pytest.raises(UsageError, match=message):
        Problem(get_space('nasvit'), **options)


def test_constraints_that_exclude_each_other():
    of = get_space('nasvit')
    costs = count(of, [of.smallest, of.largest])
    both = Problem(
        of,
        ['macs'],
        [
            dict(metric='macs', high=float(costs.macs[0]) * 1.05),
            dict(metric='params', low=float(costs.params[1]) * 0.98),
        ],
    )
    with pytest.raises(
        UsageError,
        match=r'all constraints together: macs at most .*; params at '
        r'least .*from \S+ to \S+ params, and where the constraints before are met from',
    ):
        both.sample(np.random.default_rng(0), 3)


@pytest.mark.parametrize('metric', ['macs', 'params'])
def test_a_window_that_nothing_lies_in(metric):
    middle = dict(macs=300000001, params=10000001)[metric]
    empty = Problem(
        get_space('nasvit'),
        ['macs'],
        [dict(metric=metric, low=middle + 0.25, high=middle + 0.75)],
        input_size=224,
    )
    with pytest.raises(
        UsageError,
        match=rf'{metric} at least {middle}\.25 and at most {middle}'
        r'\.75 .the space reaches from',
    ):
        empty.sample(np.random.default_rng(0), 3)


def test_one_objective_and_one_constraint_need_no_list():
    of = Problem(get_space('nasvit'), 'macs', dict(metric='params', high=20e6), input_size=224)
    assert [o.metric for o in of.objectives] == ['macs'] and len(of.constraints) == 1
    assert Problem(get_space('nasvit'), dict(metric='macs', goal='max')).objectives[0].goal == 'max'


def test_a_task_needs_a_size():
    with pytest.raises(UsageError, match='no input_size'):
        Problem(get_space('nasvit'), ['macs'], task=task('nasvit_ade20k', 'nasvit'))


def test_the_largest_has_not_always_the_most_parameters():
    """A larger patch has more of them: of vitas_deit_small the space reaches beyond its largest."""
    space = get_space('vitas_deit_small')
    most = count(space, 'largest').params
    of = Problem(space, ['macs'], [dict(metric='params', low=most + 1)])
    assert (of.costs(of.sample(np.random.default_rng(0), 20))['params'] > most).all()


def test_an_impossible_latency_ends_soon():
    """It is known of a candidate only by its genes: a bound that nothing meets is tried for long
    enough, and not for ROUNDS.
    """

    class Table:
        asked = 0

        def milliseconds(self, genes):
            self.asked += len(genes)
            return np.full(len(genes), 5.0) + genes[:, 0]

    table = Table()
    of = Problem(
        get_space('nasvit'), ['latency'], [dict(metric='latency', low=5.4, high=5.5)], latency=table
    )
    with pytest.raises(UsageError, match=r'latency.*the space reaches from 5 to 8 ms'):
        of.sample(np.random.default_rng(0), 4)
    assert table.asked < 2 * SLOW
