"""Every supernet config: it builds, its subnets are members, a step and its schedule work."""
from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from nasvit_mm.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(str(path.relative_to(ROOT / 'configs'))
                 for pattern in ('supernet/*.py', 'demo/*_supernet.py')
                 for path in (ROOT / 'configs').glob(pattern))


def test_there_are_configs():
    families = 'nasvit', 'elasticvit', 'vitas', 'vitas_twins'
    assert {f'supernet/{name}_in1k.py' for name in families} <= set(CONFIGS)


@pytest.mark.parametrize('name', CONFIGS)
def test_config(name):
    path = ROOT / 'configs' / name
    cfg = Config.fromfile(path)
    text = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8')))
    command = re.search(r'(?:train\.py|dist_train\.sh) (\S+)', text)
    assert command and (ROOT / command[1]).is_file()
    cfg.model.model.space.restrict = dict(resolution=[32])
    if cfg.model.get('teachers'):
        cfg.model.teachers = None
        cfg.model.distill = {k: 'labels' if v == 'teachers' else v
                             for k, v in cfg.model.distill.items()}
    if cfg.model.sampler.type == 'bank':  # its levels are for whole pictures
        cfg.model.sampler.update(levels=[10e6, 20e6], tolerance=4e6)
    model = MODELS.build(cfg.model).train()
    for subnet in cfg.val_cfg.subnets:
        assert subnet in ('smallest', 'largest') or subnet in (
            type(model.sampler.space)().named)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    classes = cfg.model.model.num_classes
    data = dict(inputs=torch.randn(2, 3, 32, 32), labels=torch.randint(0, classes, (2,)))
    losses = model.train_step(data, wrapper)
    assert all(v.isfinite() for v in losses.values())
    assert all(s.get('begin', 0) < cfg.train_cfg.max_iters for s in cfg.param_scheduler)
    assert any(h.type == 'nasvit_mm.SupernetState' for h in cfg.custom_hooks)


def test_decay_of_elasticvit():
    """What the released code decays, by the number of tensors and of weights."""
    cfg = Config.fromfile(ROOT / 'configs/supernet/elasticvit_in1k.py')
    cfg.model.teachers, cfg.model.distill = None, {}
    cfg.model.sampler.levels = [500e6]
    model = MODELS.build(cfg.model)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    decayed = [p for g in groups if g['weight_decay'] for p in g['params']]
    assert len(decayed) == 141
    assert sum(p.numel() for p in decayed) / 1e6 == pytest.approx(32.94, abs=0.01)
