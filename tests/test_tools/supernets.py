"""Small supernets over random pictures, for tests of the command lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.commands import ROOT

CONFIG = """
_base_ = '{root}/configs/supernet/nasvit_tiny-imagenet20.py'
model = dict(
    model=dict(space=dict(_delete_=True, {space}), num_classes=3, data_preprocessor=dict(
        mixup=dict(num_classes=3))),
    sampler=dict(_delete_=True, {sampler}), distill=dict(_delete_=True, {distill}))
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(
    batch_size=4, dataset=dict(data_root='{data}', num_per_class=None), **loader)
val_dataloader = dict(batch_size=6, dataset=dict(data_root='{data}'), **loader)
test_dataloader = val_dataloader
held_out_dataloader = dict(
    batch_size=6, dataset=dict(data_root='{data}', num_per_class=3), **loader)
train_cfg = dict(max_iters=4, val_interval=4)
val_cfg = dict(num_calibration=2)
test_cfg = dict(type='nasvit_mm.SubnetTestLoop', subnets=['smallest', 'largest'], num_calibration=2)
param_scheduler = [dict(type='ConstantLR', factor=1.0, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=2), logger=dict(interval=1))
custom_hooks = [
    dict(type='nasvit_mm.SupernetState'),
    dict(
        type='EMAHook', ema_type='nasvit_mm.ExponentialMovingAverage', momentum=0.5,
        update_buffers=True)]
"""
KINDS = {
    'nasvit': (
        "space='nasvit', restrict=dict(resolution=[32, 48])",
        "type='sandwich'",
        "sampled='largest', smallest='largest'",
    ),
    'elasticvit': (
        "space='elasticvit', restrict=dict(resolution=[32, 48])",
        "type='bank', levels=[12e6, 18e6], tolerance=2e6, num=2, capacity=4",
        "smallest='mean'",
    ),
    'vitas_twins': (
        "space='vitas_twins', restrict=dict(resolution=32, "
        'width=[[8 * 2 ** i, 16 * 2 ** i] for i in range(4)], '
        'head_dim=[[16, 32]] * 26, '
        'mlp_width=[[2 ** i * 64, 2 ** i * 128] for i in [0] * 2 + [1] * 2'
        ' + [2] * 18 + [3] * 4])',
        "type='single_path'",
        '',
    ),
}


def pictures(root: Path) -> Path:
    """Three classes in ImageNet's layout."""
    rng = np.random.default_rng(0)
    for split, number in (('train', 8), ('val', 3)):
        for label, name in enumerate('abc'):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(number):
                pixels = rng.integers(60 * label, 60 * label + 80, (64, 64, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f'{i}.png')
    return root


def config(kind: str, data: Path, folder: Path) -> Path:
    space, sampler, distill = KINDS[kind]
    path = folder / f'{kind}.py'
    path.write_text(
        CONFIG.format(root=ROOT, data=data, space=space, sampler=sampler, distill=distill)
    )
    return path
