"""The swapped backbone in users' own configs, and in mmseg's and mmdet's own tools."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

import nasvit_mm

ROOT = Path(nasvit_mm.__file__).resolve().parents[1]
GUIDE = (ROOT / 'docs/guides/backbones.md').read_text(encoding='utf-8')


def home(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not (Path(spec.origin).parent / '.mim' / 'configs').exists():
        pytest.skip(f'needs {package} with its configs')
    return Path(spec.origin).parent / '.mim'


def python(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ, CUDA_VISIBLE_DEVICES='', PYTHONPATH=str(ROOT))
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, cwd=folder, env=env
    )


def documented(base: str) -> str:
    """The config of the guide on one of its bases."""
    (block,) = [b for b in GUIDE.split('```python\n')[1:] if b.startswith("_base_ = 'mmdet::")]
    text = block.partition('```')[0]
    first = text.splitlines()[0]
    return text.replace(first, f'_base_ = {base!r}')


@pytest.mark.parametrize(
    'package, base',
    [
        ('mmseg', 'mmseg::fcn/fcn_r50-d8_4xb4-160k_ade20k-512x512.py'),
        ('mmdet', 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'),
    ],
)
def test_a_base_of_the_toolbox(tmp_path, package, base):
    home(package)
    path = tmp_path / 'own.py'
    path.write_text(documented(base))
    backbone = Config.fromfile(path).model.backbone
    assert backbone.type == 'nasvit_mm.NASViT' and 'depth' not in backbone


DETECTION = """
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=2, val_interval=10)
default_hooks = dict(checkpoint=dict(by_epoch=False), logger=dict(interval=1))
param_scheduler = []
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(
        data_root={data!r}, pipeline=[
            dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=(128, 96)), dict(type='PackDetInputs')]))
val_dataloader = val_cfg = val_evaluator = test_dataloader = test_cfg = test_evaluator = None
"""

SEGMENTATION = """
model["data_preprocessor"] = dict(size=(64, 64))
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=2, val_interval=10)
default_hooks = dict(logger=dict(interval=1))
param_scheduler = []
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(
        data_root={data!r}, pipeline=[
            dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', reduce_zero_label=True),
            dict(type='Resize', scale=(64, 64)), dict(type='PackSegInputs')]))
val_dataloader = val_cfg = val_evaluator = test_dataloader = test_cfg = test_evaluator = None
"""


def two_steps(tmp_path: Path, package: str, config: str) -> str:
    path = tmp_path / 'own.py'
    path.write_text(config)
    tool = home(package) / 'tools' / 'train.py'
    done = python(tmp_path, '-W', 'ignore', tool, path, '--work-dir', tmp_path / 'work')
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mmdets_own_tool_trains(tmp_path):
    """RetinaNet with the three lines of the guide."""
    from nasvit_mm.demo_data import write_coco

    write_coco(tmp_path / 'coco', 4, 1, height=96, width=128, progress=False)
    base = str(home('mmdet') / 'configs' / 'retinanet' / 'retinanet_r50_fpn_1x_coco.py')
    more = DETECTION.format(data=f'{tmp_path}/coco/')
    assert 'checkpoint at 2 iterations' in two_steps(tmp_path, 'mmdet', documented(base) + more)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mmsegs_own_tool_trains_without_an_import(tmp_path):
    """PointRend, whose head asks for mmcv's operations before anything of ours is imported."""
    from nasvit_mm.demo_data import write_ade20k

    write_ade20k(tmp_path / 'ade', 4, 1, height=64, width=64, progress=False)
    configs = home('mmseg') / 'configs' / 'point_rend'
    base = str(configs / 'pointrend_r50_4xb4-160k_ade20k-512x512.py')
    lines = documented(base).replace('# pretrained=None', 'pretrained=None').splitlines(True)
    text = ''.join(line for line in lines if not line.startswith('custom_imports'))
    more = SEGMENTATION.format(data=f'{tmp_path}/ade/')
    assert 'checkpoint at 2 iterations' in two_steps(tmp_path, 'mmseg', text + more)
