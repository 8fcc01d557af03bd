"""What flags and overrides change in a config."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from nasvit_mm.dense import fit_channels
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import enable_amp, loaders_without_workers, set_steps_per_epoch
from tests.commands import ROOT

SUPERNETS = [
    f'configs/supernet/{name}_in1k_supernet.py' for name in ('nasvit', 'elasticvit', 'vitas')
]


@pytest.mark.parametrize('name', SUPERNETS)
def test_steps_per_epoch(name, tmp_path):
    """By an override as by a changed file; what is given beside it stays."""
    path = ROOT / name
    old = Config.fromfile(path).steps_per_epoch
    edited = tmp_path / 'edited.py'
    text = path.read_text()
    edited.write_text(
        text.replace(f'steps_per_epoch = {old}', 'steps_per_epoch = 70').replace(
            "'../_base_", f"'{path.parents[1]}/_base_"
        )
    )
    expected, cfg = Config.fromfile(edited), Config.fromfile(ROOT / name)
    cfg.steps_per_epoch = 70
    set_steps_per_epoch(cfg, old)
    assert cfg.train_cfg == expected.train_cfg
    assert cfg.param_scheduler == expected.param_scheduler
    cfg = Config.fromfile(ROOT / name)
    cfg.merge_from_dict({'steps_per_epoch': 70, 'train_cfg.max_iters': old * 2})
    set_steps_per_epoch(cfg, old, ['train_cfg.max_iters'])
    assert cfg.train_cfg.max_iters == old * 2
    assert cfg.train_cfg.val_interval == expected.train_cfg.val_interval
    other = Config(
        dict(
            steps_per_epoch=70,
            train_cfg=dict(max_epochs=old, val_interval=old),
            param_scheduler=dict(type='PolyLR', end=old),
        )
    )
    set_steps_per_epoch(other, old)  # by epochs: nothing to change
    assert other.train_cfg.val_interval == old and other.param_scheduler.end == old
    cfg.steps_per_epoch = 0.5
    with pytest.raises(UsageError, match='steps_per_epoch = 0.5: expected'):
        set_steps_per_epoch(cfg, old)


@pytest.mark.parametrize(
    ('capability', 'given', 'dtype', 'scale'),
    [
        ((9, 0), {}, 'bfloat16', 1.0),
        ((7, 5), {}, 'float16', 'dynamic'),  # which torch says emulates bfloat16
        ((9, 0), dict(dtype='float16'), 'float16', 'dynamic'),
        ((9, 0), dict(loss_scale=8.0), 'bfloat16', 8.0),
    ],
)
def test_mixed_precision_is_of_the_gpu(capability, given, dtype, scale, monkeypatch):
    for module in ('mmengine.device', 'nasvit_mm.runtime.options'):
        monkeypatch.setattr(f'{module}.get_device', lambda: 'cuda')
    monkeypatch.setattr('torch.cuda.get_device_capability', lambda device: capability)
    cfg = Config(dict(optim_wrapper=dict(type='OptimWrapper', **given)))
    enable_amp(cfg)
    assert cfg.optim_wrapper == dict(type='AmpOptimWrapper', dtype=dtype, loss_scale=scale)


def test_a_loader_without_workers():
    cfg = Config(
        dict(
            train_dataloader=dict(num_workers=0, persistent_workers=True),
            val_dataloader=dict(num_workers=2, persistent_workers=True),
            test_dataloader=None,
        )
    )
    loaders_without_workers(cfg)
    assert not cfg.train_dataloader.persistent_workers
    assert cfg.val_dataloader.persistent_workers


def test_the_first_of_several_necks_takes_the_backbone():
    cfg = Config.fromfile(ROOT / 'configs/det/nasvit_coco.py')
    cfg.model.neck = [cfg.model.neck, dict(type='BFP', in_channels=256, num_levels=5)]
    fit_channels(cfg, [8, 16, 24, 32, 40][: len(cfg.model.neck[0].in_channels)])
    assert cfg.model.neck[0].in_channels[:2] == [8, 16] and cfg.model.neck[1].in_channels == 256
