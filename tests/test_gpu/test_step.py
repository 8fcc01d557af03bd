"""A supernet's step on a GPU that is not there: by family, sampler, rule, task and precision."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper

from nasvit_mm.cost import count
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import SAMPLERS, Supernet
from tests.families import NETWORKS, tiny
from tests.test_gpu.fake import AMP, GPU
from tests.test_supernet.tasks import TASKS, model_config, raw_batch

SIZE = (64, 64)
RULES = (dict(rule='sum'), dict(rule='project'), dict(rule='project', scope='global'))
SUM, PROJECT, GLOBAL = RULES
# Every sampler, rule, task and precision comes, in the network of the fewest operations.
QUICK = 'vitas_deit_small'
CASES = [
    (QUICK, 'sandwich', PROJECT, 'classification', 'fp16'),
    (QUICK, 'sandwich', GLOBAL, 'segmentation', 'bf16'),
    (QUICK, 'shrinking', SUM, 'detection', 'fp32'),
    (QUICK, 'single_path', SUM, 'classification', 'fp32'),
    (QUICK, 'uniform', SUM, 'classification', 'bf16'),
    (QUICK, 'bank', SUM, 'classification', 'fp16'),
    (QUICK, 'levels', SUM, 'classification', 'fp32'),
]
WHOLE_PRODUCT = list(itertools.product(NETWORKS, SAMPLERS.module_dict, RULES, TASKS, AMP))


def sampler(name: str, space: Any) -> dict[str, Any]:
    if name == 'shrinking':
        schedule = [dict(steps=1), dict(free='rest', num_random=1)]
        return dict(type=name, sampler=dict(type='sandwich'), schedule=schedule)
    if name == 'sandwich':
        return dict(type=name, num_random=1)
    if name not in ('levels', 'bank'):
        return dict(type=name)
    low, high = (float(count(space, [a]).macs[0]) for a in (space.smallest, space.largest))
    middle = (low + high) / 2
    levels = dict(levels=[middle], tolerance=(high - middle) / 2, num=2, smallest={}, count_args={})
    return dict(type=name, **levels, **dict(capacity=2) if name == 'bank' else {})


def built(space: str, name: str, rule: dict[str, str], task: str, **options: Any) -> Supernet:
    of, model = tiny(space), model_config(space, task)
    (model if task == 'classification' else model['backbone'])['space'] = of.to_dict()
    inplace = dict(sampled='largest', smallest='largest')
    distill = inplace if name in ('sandwich', 'shrinking') else {}
    return MODELS.build(
        dict(
            type='nasvit_mm.Supernet',
            model=model,
            sampler=sampler(name, of),
            conflict=rule,
            **{'distill': distill, 'clip_grad': 1.0, **options},
        )
    ).train()


def wrapper(net: Supernet, precision: str) -> OptimWrapper:
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    if AMP[precision] is None:
        return OptimWrapper(optimizer)
    return AmpOptimWrapper(
        optimizer=optimizer, dtype=str(AMP[precision]).removeprefix('torch.'), loss_scale='dynamic'
    )


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what is checked before the first step, thrice the launches of a step."""
    monkeypatch.setattr('nasvit_mm.supernet.model.check_training', lambda *args: None)


def test_every_path_comes() -> None:
    paths = [{str(case[i]) for case in CASES} for i in range(1, 5)]
    wanted = SAMPLERS.module_dict, RULES, TASKS, AMP
    assert paths == [{str(value) for value in values} for values in wanted]


@pytest.mark.parametrize(('space', 'name', 'rule', 'task', 'precision'), CASES)
def test_step(space, name, rule, task, precision, meter) -> None:
    """The host waits for the device to read the step's numbers, and no more than it must."""
    net = built(space, name, rule, task).to(GPU)
    net.step = 1  # the first of the shrinking sampler trains the largest network alone
    meter.clear()
    logs = net.train_step(raw_batch(net.model, SIZE), wrapper(net, precision))
    assert {f'loss_{role}' for role in net.sampler.roles} <= set(logs)
    assert {p.device.type for p in net.parameters()} == {GPU}
    scores = net.sampler.num if name == 'bank' else 0
    scaler = AMP[precision] is not None  # it asks whether to skip the step
    theirs = ('mmseg/', 'mmdet/')  # which choose pixels and boxes by values
    reads = sum(
        n for (kind, at), n in meter.stalls.items() if kind == 'read' and not at.startswith(theirs)
    )
    assert reads <= 1 + scores + scaler, meter.stalls
    if task == 'classification':
        assert meter.count('to GPU', 'to CPU', 'shape') == 0, meter.stalls


@pytest.mark.nightly
@pytest.mark.parametrize(('space', 'name', 'rule', 'task', 'precision'), WHOLE_PRODUCT)
def test_step_of_the_rest(space, name, rule, task, precision, meter) -> None:
    test_step(space, name, rule, task, precision, meter)
