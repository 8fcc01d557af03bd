"""Subnets are evaluated with statistics of their own, and the supernet stays as it is."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner

from nasvit_mm.checkpoints import extract_subnet
from nasvit_mm.errors import UsageError
from nasvit_mm.nn import batch_norms, recalibrate_bn
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import SubnetTestLoop, SubnetValLoop, calibrated
from tests.families import randomised
from tests.test_supernet.test_model import CLASSES, batch, build, tiny
from tests.test_tools.supernets import pictures


@pytest.mark.parametrize('space', ['nasvit', 'elasticvit', 'vitas_twins'])
def test_calibrated_is_the_extracted_and_recalibrated_subnet(space):
    model = build(space).model
    batches, arch = [batch(seed) for seed in range(3)], model.backbone.space.sample(1)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    ours = calibrated(model, arch, batches)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training and not any(m.training for m in ours.modules())
    subnet = extract_subnet(model, arch)
    x = batch(9)['inputs']
    with torch.no_grad():
        uncalibrated = subnet.eval()(x)
        if space != 'vitas_twins':  # which has no batch norm
            recalibrate_bn(subnet, (b['inputs'] for b in batches))
            assert not torch.allclose(subnet(x), uncalibrated, atol=1e-3)
        torch.testing.assert_close(ours(x), subnet(x), rtol=1e-3, atol=1e-3)


def test_the_supernet_stays_on_an_error():
    model = build('nasvit').model
    before = {k: v.clone() for k, v in model.state_dict().items()}
    active = model.backbone.arch

    def broken():
        yield batch()
        raise OSError('unreadable picture')

    with pytest.raises(OSError):
        calibrated(model, 'smallest', broken())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.backbone.arch == active and model.training


# ------------------------------------------------------------------ the loop
MIXUP = dict(
    type='nasvit_mm.ClassificationPreprocessor',
    mixup=dict(mixup_alpha=1.0, cutmix_alpha=1.0, num_classes=CLASSES),
)


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> str:
    return str(pictures(tmp_path_factory.mktemp('pictures')))


def loaders(data: str, num_workers: int) -> tuple[dict, dict]:
    """Of training and of validation."""
    common = dict(num_workers=num_workers, collate_fn=dict(type='default_collate'))
    transform = dict(input_size=32, is_training=True, re_prob=0.5)
    train = dict(
        common,
        batch_size=4,
        sampler=dict(type='nasvit_mm.SeededInfiniteSampler'),
        dataset=dict(
            type='nasvit_mm.ImageFolder', data_root=data, split='train', transform=transform
        ),
    )
    val = dict(
        common,
        batch_size=9,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type='nasvit_mm.ImageFolder', data_root=data, split='val', transform=dict(input_size=32)
        ),
    )
    return train, val


def loop(model, data: str, kind=SubnetValLoop, num_workers: int = 0, **options) -> SubnetValLoop:
    """Of a runner that does no more than the loop asks for."""
    train, val = loaders(data, num_workers)
    runner = SimpleNamespace(
        model=model,
        seed=5,
        _randomness_cfg={},
        cfg=Config(dict(train_dataloader=train)),
        visualizer=SimpleNamespace(),
        build_dataloader=Runner.build_dataloader,
        call_hook=lambda *args, **more: None,
        build_evaluator=lambda metrics: Evaluator(metrics),
    )
    return kind(runner, val, dict(type='nasvit_mm.Accuracy'), **options)


def statistics_in_place_of_accuracy(monkeypatch) -> None:
    """What a subnet's figure is made of, to the last bit."""
    monkeypatch.setattr(
        SubnetValLoop,
        '_evaluate',
        lambda self, model: dict(
            sum=float(
                sum(
                    m.running_mean.double().sum() + m.running_var.double().sum()
                    for m in batch_norms(model)
                )
            )
        ),
    )


def seeded(seed: int) -> None:
    random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)


def test_a_figure_depends_on_the_seed_alone(data, monkeypatch):
    """Not on what was drawn before, the other subnets, the workers, nor the command."""
    statistics_in_place_of_accuracy(monkeypatch)
    model = build('nasvit', model=dict(data_preprocessor=MIXUP))
    figures = {}
    for seed, (kind, workers, subnets) in enumerate(
        (
            (SubnetValLoop, 0, ['smallest', 'largest']),
            (SubnetValLoop, 0, ['largest']),
            (SubnetValLoop, 1, ['largest', 'smallest']),
            (SubnetTestLoop, 0, ['smallest']),
        )
    ):
        seeded(seed)
        for name, value in (
            loop(model, data, kind, workers, subnets=subnets, num_calibration=2).run().items()
        ):
            figures.setdefault(name, []).append(value)
    assert {name: len(set(values)) for name, values in figures.items()} == {
        'smallest/sum': 1,
        'largest/sum': 1,
    }


def test_random_numbers_go_on_after_a_validation(data):
    model = build('nasvit', model=dict(data_preprocessor=MIXUP))
    draws = []
    for validate in (True, False):
        judge = loop(model, data, num_calibration=1)
        seeded(3)
        if validate:
            judge.run()
        draws.append((random.random(), np.random.rand(), float(torch.rand(()))))
    assert draws[0] == draws[1]


def test_two_phases_and_their_mean(data):
    model = build('vitas_twins', sampler=dict(type='single_path'))
    name = 'smallest/accuracy/top1'
    alone = [loop(model, data, subnets=['smallest'], phase=phase).run() for phase in (0, 1)]
    assert set(alone[0]) == {name}
    found = loop(model, data, subnets=['smallest']).run()
    first, second = (found[f'smallest/phase{phase}/accuracy/top1'] for phase in (0, 1))
    assert set(found) == {name, *(f'smallest/phase{p}/accuracy/top1' for p in (0, 1))}
    assert [first, second] == [a[name] for a in alone] and found[name] == (first + second) / 2
    with pytest.raises(UsageError, match=r'val_cfg\.phase = 2, allowed: 0, 1, or None'):
        loop(model, data, phase=2)


def test_one_phase_where_two_would_be_equal(data):
    """A single architecture's weights are whole, whatever the sharing; no sharing, no phases."""
    ordinal = build('vitas_twins', model=dict(sharing='ordinal'))
    single = randomised(
        MODELS.build(
            dict(
                type='nasvit_mm.ImageClassifier',
                space=tiny('vitas_twins'),
                arch='smallest',
                num_classes=CLASSES,
            )
        )
    )
    assert single.backbone.phases == 2
    for model in (ordinal, single):
        found = loop(model, data, subnets=['largest']).run()
        assert set(found) == {'largest/accuracy/top1'}


@pytest.mark.parametrize(
    'options, said',
    [
        (dict(num_calibration=1.5), r'val_cfg.num_calibration = 1.5, expected a whole number'),
        (dict(num_random=-1), r'val_cfg.num_random = -1, expected a whole number'),
        (dict(subnets=[]), r'val_cfg.subnets = \[\]: no subnet would be validated'),
    ],
)
def test_numbers_that_are_none(options, said, data):
    with pytest.raises(UsageError, match=said):
        loop(build('nasvit'), data, **options)
