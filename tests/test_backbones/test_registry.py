"""Backbones in mmseg's and mmdet's own models, from configs that import nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap

import pytest

from nasvit_mm import backbones
from nasvit_mm.family import FAMILIES

NAMES = sorted(family.part('backbone').__name__ for family in FAMILIES.unique())


def python(code: str) -> str:
    """Run in a fresh process: nothing of this project is imported there."""
    done = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_mmseg():
    """A segmentor of every backbone is built and trains; every parameter gets a gradient."""
    out = python(f"""
        import sys, torch
        from mmengine.config import ConfigDict
        from mmengine.registry import init_default_scope
        from mmengine.structures import PixelData
        from mmseg.registry import MODELS
        from mmseg.structures import SegDataSample
        init_default_scope('mmseg')
        assert 'nasvit_mm' not in sys.modules
        for name in {NAMES}:
            model = MODELS.build(ConfigDict(
                type='EncoderDecoder',
                data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64)),
                backbone=dict(type='nasvit_mm.' + name, arch='smallest', out_width=32),
                decode_head=dict(type='SegformerHead', in_channels=[32] * 4,
                                 in_index=[0, 1, 2, 3], channels=16, num_classes=5,
                                 norm_cfg=dict(type='BN'))))
            model.init_weights()
            sample = SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 5, (1, 64, 96))),
                                   metainfo=dict(img_shape=(64, 96), ori_shape=(64, 96)))
            losses = model(torch.randn(2, 3, 64, 96), [sample, sample], mode='loss')
            losses['decode.loss_ce'].backward()
            print('RESULT', name, all(p.grad is not None for p in model.parameters()))
    """)
    assert re.findall(r'RESULT (\w+) (\w+)', out) == [(name, 'True') for name in NAMES]


def test_mmdet():
    """A neck takes the maps of every backbone."""
    out = python(f"""
        import nasvit_mm.compat  # mmdet itself wants mmcv's operations
        import torch
        from mmengine.config import ConfigDict
        from mmengine.registry import init_default_scope
        from mmdet.registry import MODELS
        init_default_scope('mmdet')
        for name in {NAMES}:
            backbone = MODELS.build(ConfigDict(type='nasvit_mm.' + name, arch='smallest'))
            neck = MODELS.build(dict(type='FPN', in_channels=backbone.out_channels,
                                     out_channels=16, num_outs=5))
            print('RESULT', name, len(neck(backbone(torch.randn(1, 3, 96, 64)))))
    """)
    assert re.findall(r'RESULT (\w+) (\w+)', out) == [(name, '5') for name in NAMES]


def test_bare_names_after_import():
    out = python(f"""
        from mmseg.registry import MODELS
        import nasvit_mm.backbones
        for name in {NAMES}:
            print('RESULT', type(MODELS.build(dict(type=name, arch='smallest'))).__name__)
    """)
    assert re.findall(r'RESULT (\w+)', out) == NAMES


def test_backbones_by_attribute():
    for name in NAMES:
        assert getattr(backbones, name).__name__ == name
    with pytest.raises(AttributeError, match='SwinTransformer'):
        backbones.SwinTransformer  # noqa: B018
