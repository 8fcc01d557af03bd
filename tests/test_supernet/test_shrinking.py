"""Progressive shrinking: what is drawn when, from any sampler, and what is refused."""

from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapper

from nasvit_mm import get_space
from nasvit_mm.cost import count
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import MODELS, SAMPLERS
from nasvit_mm.supernet import LARGEST, SAMPLED, SMALLEST, ShrinkingSampler
from tests.test_supernet.tasks import model_config, raw_batch

SCHEDULE = (
    dict(steps=2),
    dict(steps=2, free=['depth'], num_random=1),
    dict(steps=2, free=dict(width=2)),
    dict(steps=2, free=['width', 'kernel_size', 'expand_ratio']),
    dict(free='rest', num_random=3),
)


def shrinking(space='nasvit', sampler=None, schedule=SCHEDULE, **options) -> ShrinkingSampler:
    return ShrinkingSampler(
        space, sampler=sampler or dict(type='sandwich'), schedule=schedule, **options
    )


def varied(sampler: ShrinkingSampler, steps) -> set[str]:
    """Fields in which any subnet of these steps differs from the largest."""
    space = sampler.space
    archs = [choice.arch for step in steps for choice in sampler.draw(step)]
    return {f.name for f in space.fields for a in archs if a[f.name] != space.largest[f.name]}


def test_fields_come_one_after_the_other():
    sampler = shrinking()
    assert varied(sampler, (1, 2)) == set()
    assert varied(sampler, (3, 4)) == {'depth'}
    assert varied(sampler, (5, 6)) == {'depth', 'width'}
    assert varied(sampler, (7, 8)) == {'depth', 'width', 'kernel_size', 'expand_ratio'}
    assert varied(sampler, (9, 1000)) == {f.name for f in sampler.space.fields}


def test_so_many_of_the_largest_choices():
    sampler = shrinking()
    smallest = next(c for c in sampler.draw(5) if c.role == SMALLEST).arch
    choices = sampler.space.field('width').choices
    assert smallest.width == tuple(c[-2] if len(c) > 1 else c[0] for c in choices)
    assert smallest.depth == sampler.space.smallest.depth


def test_the_largest_alone_costs_one_subnet():
    sampler = shrinking()
    assert [c.role for c in sampler.draw(1)] == [LARGEST]
    assert [c.role for c in sampler.draw(3)] == [LARGEST, SMALLEST, SAMPLED]
    assert [c.role for c in sampler.draw(9)] == [LARGEST, SMALLEST, *[SAMPLED] * 3]
    assert sampler.roles == (LARGEST, SMALLEST, SAMPLED)


def test_the_seed_is_the_runs():
    """Which a supernet sets when training begins."""
    sampler, other = shrinking(), shrinking(seed=5)
    assert list(sampler.draw(9)) != list(other.draw(9))
    sampler.seed = 5
    assert list(sampler.draw(9)) == list(other.draw(9))


def test_a_sampler_that_remembers():
    """The bank of the part that a run was stopped in goes on; levels may be its own."""
    space = get_space('elasticvit')
    low, high = (float(count(space, a, counter='authors').macs) for a in ('smallest', 'largest'))
    bank = dict(type='bank', levels=[0.5 * (low + high)], num=2, capacity=2, tolerance=0.1 * high)
    schedule = [
        dict(steps=2),
        dict(steps=3, free=['depth'], levels=[0.8 * high]),
        dict(free='rest'),
    ]

    def run(sampler, steps) -> list:
        out = []
        for step in steps:
            for choice in sampler.draw(step):
                out.append(choice)
                if choice.wants_score:
                    sampler.observe(choice, -float(sum(choice.arch.depth)))
        return out

    sampler = shrinking(space, bank, schedule)
    run(sampler, range(1, 5))
    state = sampler.state_dict()
    late, resumed = run(sampler, range(5, 12)), shrinking(space, bank, schedule)
    resumed.load_state_dict(state)
    assert run(resumed, range(5, 12)) == late
    earlier = {name: state[name] for name in ('part', 'sampler')}  # as earlier versions wrote it
    with pytest.raises(ValueError, match='part 1 of the schedule, which has 1 here'):
        shrinking(space, bank, [dict(free='rest')]).load_state_dict(earlier)


def test_a_bank_in_a_space_of_slots():
    """Slots without a block hold other values in the space of a part than in the whole one."""
    space = get_space('vitas_deit_small')
    low, high = (float(count(space, a).macs) for a in ('smallest', 'largest'))
    bank = dict(type='bank', num=2, capacity=2, tolerance=0.2 * high, candidates=2)
    bank['levels'] = [0.5 * (low + high), 0.6 * (low + high)]
    schedule = [dict(steps=9, free=['depth', 'patch_size']), dict(free='rest')]
    sampler, seen = shrinking(space, bank, schedule), set()
    for step in range(1, 10):
        for choice in sampler.draw(step):
            assert space.canonical(choice.arch) == choice.arch
            if choice.wants_score:
                seen.add(choice.level)
                sampler.observe(choice, -float(count(space, choice.arch).macs))
    assert seen == {0, 1}
    resumed = shrinking(space, bank, schedule)
    resumed.load_state_dict(sampler.state_dict())
    assert list(resumed.draw(9)) == list(sampler.draw(9))


@pytest.mark.parametrize(
    ('changed', 'said'),
    [
        (dict(sampler=dict(type='uniform'), schedule=[dict(steps=2), dict(free='rest')]),
         "its sampler.type is 'sandwich', here 'uniform'"),
        (dict(schedule=[dict(steps=3), dict(free='rest')]),
         r'its parts begin after the steps \[0, 2\], here \[0, 3\]'),
    ],
)  # fmt: skip
def test_another_schedule_than_that_of_the_checkpoint(changed, said):
    state = shrinking(schedule=[dict(steps=2), dict(free='rest')]).state_dict()
    with pytest.raises(ValueError, match=said):
        shrinking(**changed).load_state_dict(state)


@pytest.mark.parametrize('name', sorted({*SAMPLERS.module_dict} - {'shrinking', 'levels', 'bank'}))
@pytest.mark.parametrize('space', ['vitas_deit_small', 'vitas_twins'])
def test_other_samplers_in_spaces_of_slots(space, name):
    sampler = shrinking(
        space, dict(type=name), [dict(steps=1), dict(steps=9, free=['depth']), dict(free='rest')]
    )
    assert varied(sampler, range(1, 2)) == set()
    assert varied(sampler, range(2, 11)) >= {'heads'}
    assert 'width' in varied(sampler, range(11, 30))


def test_every_tap_is_trained_from_the_first_step():
    model = MODELS.build(
        dict(
            type='nasvit_mm.Supernet',
            model=model_config('nasvit', 'segmentation'),
            sampler=dict(
                type='shrinking',
                sampler=dict(type='sandwich'),
                schedule=[dict(steps=1), dict(free='rest')],
            ),
        )
    ).train()
    weights = [p for p in model.model.backbone.taps.parameters() if p.dim() > 1]
    taps = [(p, p.detach().clone()) for p in weights]
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    logged = model.train_step(raw_batch(model.model, (64, 64)), optimizer)
    assert {k for k in logged if k.startswith('loss_')} == {'loss_largest'}
    assert len(taps) == 4 and not any(torch.equal(p, before) for p, before in taps)


def test_a_schedule_longer_than_training():
    sampler = shrinking()
    sampler.check_length(9)
    with pytest.raises(UsageError, match='begins after 8 steps, and training has 8'):
        sampler.check_length(8)


@pytest.mark.parametrize(
    ('schedule', 'said'),
    [
        ([], r'schedule = \[\], expected a list'),
        ([3], r'schedule\[0\] = 3, expected dict\(steps'),
        ([dict(), dict(free='rest')], r'schedule\[0\].steps = None, expected a whole'),
        ([dict(steps=0), dict(free='rest')], r'schedule\[0\].steps = 0'),
        ([dict(free='depth')], r"schedule\[0\].free = 'depth', expected a list of fields"),
        ([dict(free=['dept'])], r"free = 'dept' \(did you mean depth\?\), allowed: resolution"),
        ([dict(free=dict(depth=0))], r'schedule\[0\].free.depth = 0, expected'),
        ([dict(free=['depth'])], 'never frees all of resolution, width, kernel_size, expand_ratio'),
        ([dict(free='rest'), dict(free=dict(depth=1))], r'schedule\[0\].steps = None'),
        ([dict(free='rest', num_rand=1)], r"a key of schedule\[0\] = 'num_rand' .*num_random"),
        ([dict(steps=2, fre=['depth']), dict(free='rest')], r"a key of schedule\[0\] = 'fre'"),
        ([dict(free='rest', type='uniform')], r"schedule\[0\].type = 'uniform': all parts"),
        ([dict(free='rest', seed=3)], 'its seed is that of the sampler shrinking'),
    ],
)  # fmt: skip
def test_schedules_that_are_wrong(schedule, said):
    with pytest.raises(UsageError, match=said):
        shrinking(schedule=schedule)


def test_a_sampler_that_is_no_mapping():
    with pytest.raises(UsageError, match=r"sampler = 'sandwich', expected dict\(type="):
        shrinking(sampler='sandwich')


@pytest.mark.parametrize('kind', ['sandwitch', 'shrinking', None])
def test_samplers_that_are_none(kind):
    with pytest.raises(UsageError, match=f'sampler.type = {kind!r}.*allowed: .*sandwich'):
        shrinking(sampler=dict(type=kind))
