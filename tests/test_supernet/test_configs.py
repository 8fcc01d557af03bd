"""Every supernet config: it builds, its subnets are members, a step and its schedule work."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, init_default_scope

from nasvit_mm.dense import standalone
from nasvit_mm.registry import MODELS
from tests.families import small
from tests.test_supernet.tasks import raw_batch

ROOT = Path(__file__).resolve().parents[2]
ALL = sorted(
    str(path.relative_to(ROOT / 'configs'))
    for pattern in ('supernet/*.py', 'demo/*_supernet.py', 'demo/*_dense.py')
    for path in (ROOT / 'configs').glob(pattern)
)
DENSE = [name for name in ALL if 'backbone' in Config.fromfile(ROOT / 'configs' / name).model.model]
CONFIGS = [name for name in ALL if name not in DENSE]


def test_there_are_configs():
    in1k = ('nasvit_in1k_supernet', 'elasticvit_in1k_supernet', 'vitas_in1k_supernet')
    assert {f'supernet/{name}.py' for name in (*in1k, 'vitas_twins_in1k')} <= set(CONFIGS)
    assert {
        f'supernet/{name}_supernet.py'
        for name in ('nasvit_ade20k', 'nasvit_cityscapes', 'nasvit_camvid', 'vitas_coco')
    } <= set(DENSE)


def read(name: str) -> Config:
    path = ROOT / 'configs' / name
    text = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8')))
    command = re.search(r'(?:train\.py|dist_train\.sh) (\S+)', text)
    assert command and (ROOT / command[1]).is_file()
    return Config.fromfile(path)


@pytest.mark.parametrize('name', DENSE)
def test_of_a_task(name):
    """A step; what is held out is of the training pictures; the exported config is of one model."""
    cfg = read(name)
    init_default_scope(cfg.default_scope)
    backbone = cfg.model.model.backbone
    kind = MODELS.get(backbone.type.removeprefix('nasvit_mm.'))
    whole = kind.read_space('supernet', backbone.space.to_dict())
    for subnet in cfg.val_cfg.subnets:
        assert subnet in ('smallest', 'largest') or subnet in whole.named
    assert backbone.init_cfg.type == 'Pretrained'
    backbone.space = small(whole).to_dict()
    if cfg.model.model.data_preprocessor.get('size'):  # which it pads to
        cfg.model.model.data_preprocessor.size = (64, 64)
    model = MODELS.build(cfg.model).train()
    data = raw_batch(model.model, (64, 64))
    losses = model.train_step(data, build_optim_wrapper(model, cfg.optim_wrapper))
    assert all(v.isfinite() for v in losses.values())
    assert any(h.type == 'nasvit_mm.SupernetState' for h in cfg.custom_hooks)

    train, held_out = cfg.train_dataloader.dataset, cfg.get('held_out_dataloader')
    if held_out:
        held_out = held_out.dataset
        assert train.every == held_out.every and (train.part, held_out.part) == (
            'train',
            'held_out',
        )
        for key in ('type', 'data_root', 'data_prefix', 'ann_file', 'filter_cfg', 'test_mode'):
            assert train.dataset.get(key) == held_out.dataset.get(key)
    alone = standalone(cfg)
    assert 'Supernet' not in alone.pretty_text and 'Subnet' not in alone.pretty_text
    assert alone.model == cfg.model.model


@pytest.mark.parametrize('name', CONFIGS)
def test_config(name):
    cfg = read(name)
    cfg.model.model.space.restrict = dict(resolution=[32])
    if cfg.model.get('teachers'):
        cfg.model.teachers = None
        cfg.model.distill = {
            k: 'labels' if v == 'teachers' else v for k, v in cfg.model.distill.items()
        }
    if cfg.model.sampler.type == 'bank':  # its levels are for whole pictures
        cfg.model.sampler.update(levels=[10e6, 20e6], tolerance=4e6)
    model = MODELS.build(cfg.model).train()
    for subnet in cfg.val_cfg.subnets:
        assert subnet in ('smallest', 'largest') or subnet in (type(model.sampler.space)().named)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    classes = cfg.model.model.num_classes
    data = dict(inputs=torch.randn(2, 3, 32, 32), labels=torch.randint(0, classes, (2,)))
    losses = model.train_step(data, wrapper)
    assert all(v.isfinite() for v in losses.values())
    assert all(s.get('begin', 0) < cfg.train_cfg.max_iters for s in cfg.param_scheduler)
    assert any(h.type == 'nasvit_mm.SupernetState' for h in cfg.custom_hooks)


def test_decay_of_elasticvit():
    """What the released code decays, by the number of tensors and of weights."""
    cfg = Config.fromfile(ROOT / 'configs/supernet/elasticvit_in1k_supernet.py')
    cfg.model.teachers, cfg.model.distill = None, {}
    cfg.model.sampler.levels = [500e6]
    model = MODELS.build(cfg.model)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    decayed = [p for g in groups if g['weight_decay'] for p in g['params']]
    assert len(decayed) == 141
    assert sum(p.numel() for p in decayed) / 1e6 == pytest.approx(32.94, abs=0.01)


@pytest.mark.parametrize(
    ('name', 'scale', 'rates'),
    [
        # Learning rates of the released code by epoch, for 512 pictures a step.
        (
            'elasticvit_in1k_supernet',
            1.5,
            {
                0: 1e-6,
                1: 1.008e-4,
                4: 4.002e-4,
                5: 4.99915e-4,
                100: 4.66841e-4,
                300: 2.525e-4,
                599: 5.003e-6,
                600: 5e-6,
                609: 5e-6,
            },
        ),
        (
            'nasvit_in1k_supernet',
            1.0,
            {0: 5e-7, 5: 2.99886e-4, 100: 2.56801e-4, 200: 1.525e-4, 399: 5.0045e-6},
        ),
    ],
)
def test_learning_rate(name, scale, rates):
    """Every step's, by the schedulers of mmengine, with fewer steps an epoch."""
    cfg = Config.fromfile(ROOT / f'configs/supernet/{name}.py')
    part, schedule = 20, []
    for scheduler in cfg.param_scheduler:
        for key in ('begin', 'end'):
            if key in scheduler:
                scheduler[key] = scheduler[key] // cfg.steps_per_epoch * part
        if scheduler.type == 'LinearLR':
            scheduler.end += 1  # mmengine is there a step early, of 20 a twentieth of an epoch
        schedule.append(scheduler)
    lr = cfg.optim_wrapper.optimizer.lr
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    built = [
        PARAM_SCHEDULERS.build(dict(s), default_args=dict(optimizer=optimizer)) for s in schedule
    ]
    seen = []
    for _ in range(max(rates) * part + 1):
        seen.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in built:
            scheduler.step()
    for epoch, rate in rates.items():
        assert seen[epoch * part] == pytest.approx(scale * rate, rel=5e-4), epoch


def at(cfg: Config, key: str) -> Any:
    for part in key.split('.'):
        cfg = cfg[int(part) if part.isdigit() else part]
    return cfg


WEAK = {
    'train_dataloader.dataset.transform.auto_augment': 'rand-n1-m1-mstd0.5-inc1',
    'model.model.data_preprocessor.erasing.probability': 0.01,
    'model.model.data_preprocessor.erasing.mode': 'pixel',
    'train_dataloader.dataset.transform.interpolation': 'bicubic',
    'model.model.data_preprocessor.mixup.mixup_alpha': 0.01,
    'model.model.data_preprocessor.mixup.cutmix_alpha': 0.01,
    'model.model.data_preprocessor.mixup.label_smoothing': 0.1,
    'model.distill.temperature': 0.2,
    'custom_hooks.1.momentum': pytest.approx(1 - 0.99985),
}


@pytest.mark.parametrize(
    ('name', 'batch', 'epochs', 'recipe'),
    [
        (
            'supernet/nasvit_in1k_supernet',
            512,
            400,
            {
                **WEAK,
                'model.clip_grad': 1.0,
                'model.conflict.rule': 'project',
                'model.conflict.start_epoch': 101,
                'model.distill.largest': 'teachers',
                'model.distill.sampled': 'largest',
                'model.distill.smallest': 'largest',
                'model.sampler.num_random': 2,
                'optim_wrapper.optimizer.weight_decay': 0.0,
            },
        ),
        (
            'supernet/elasticvit_in1k_supernet',
            768,
            610,
            {
                **WEAK,
                'model.agc': 0.1,
                'model.distill.sampled': 'teachers',
                'model.sampler.num': 3,
                'model.distill.smallest': 'mean',
                'optim_wrapper.optimizer.weight_decay': 0.05,
                'test_cfg.num_calibration': 129,
            },
        ),
        (
            'supernet/vitas_in1k_supernet',
            1024,
            300,
            {
                'model.model.sharing': 'cyclic',
                'model.model.label_smoothing': 0.1,
                'train_dataloader.dataset.transform.auto_augment': None,
                'train_dataloader.dataset.transform.color_jitter': None,
                'model.model.data_preprocessor.erasing.probability': 0.25,
                'optim_wrapper.optimizer.lr': 1e-3,
                'optim_wrapper.optimizer.weight_decay': 0.05,
            },
        ),
        (
            'cls/vitas_retrain_in1k',
            1024,
            300,
            {
                'model.drop_path_rate': 0.1,
                'train_dataloader.dataset.transform.auto_augment': 'rand-m9-mstd0.5-inc1',
                'train_dataloader.dataset.transform.force_color_jitter': True,
                'model.data_preprocessor.erasing.probability': 0.25,
                'model.data_preprocessor.mixup.mixup_alpha': 0.8,
                'model.data_preprocessor.mixup.cutmix_alpha': 1.0,
            },
        ),
    ],
)
def test_recipe(name, batch, epochs, recipe):
    """Numbers of the released code."""
    cfg = Config.fromfile(ROOT / f'configs/{name}.py')
    assert {key: at(cfg, key) for key in recipe} == recipe
    assert cfg.auto_scale_lr.base_batch_size == batch == 8 * cfg.train_dataloader.batch_size
    assert cfg.train_cfg.max_iters == epochs * cfg.steps_per_epoch
    assert cfg.steps_per_epoch == pytest.approx(1_281_167 / batch, abs=1)


@pytest.mark.parametrize('name', ['supernet/vitas_in1k_supernet', 'cls/vitas_retrain_in1k'])
def test_decay_of_vitas(name):
    """Matrices, class token and positions decay; norms and biases do not."""
    cfg = Config.fromfile(ROOT / f'configs/{name}.py')
    model = MODELS.build(cfg.model)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    decayed = {id(p) for g in groups if g['weight_decay'] for p in g['params']}
    for key, p in model.named_parameters():
        matrix = p.ndim > 1 and key.endswith(('.weight', '.cls_token', '.position'))
        assert (id(p) in decayed) == matrix, key
