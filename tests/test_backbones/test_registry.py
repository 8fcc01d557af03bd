"""Backbones in mmseg's and mmdet's own models, from configs that import nothing."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from nasvit_mm.family import FAMILIES

NAMES = sorted(family.part('backbone').__name__ for family in FAMILIES.unique())


def python(code: str) -> str:
    """Run in a fresh process: nothing of this project is imported there."""
    done = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize('name', NAMES)
def test_mmseg(name):
    out = python(f"""
        import sys, torch
        from mmengine.config import ConfigDict
        from mmengine.registry import init_default_scope
        from mmseg.registry import MODELS
        init_default_scope('mmseg')
        model = MODELS.build(ConfigDict(
            type='EncoderDecoder',
            data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64)),
            backbone=dict(type='nasvit_mm.{name}', arch='smallest', out_width=32),
            decode_head=dict(type='SegformerHead', in_channels=[32] * 4, in_index=[0, 1, 2, 3],
                             channels=16, num_classes=5, norm_cfg=dict(type='BN'))))
        model.init_weights()
        from mmseg.structures import SegDataSample
        from mmengine.structures import PixelData
        sample = SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 5, (1, 64, 96))),
                               metainfo=dict(img_shape=(64, 96), ori_shape=(64, 96)))
        losses = model(torch.randn(2, 3, 64, 96), [sample, sample], mode='loss')
        losses['decode.loss_ce'].backward()
        print(all(p.grad is not None for n, p in model.named_parameters()))
    """)
    assert out.split()[-1] == 'True'


@pytest.mark.parametrize('name', NAMES)
def test_mmdet(name):
    out = python(f"""
        import nasvit_mm.compat  # mmdet itself wants mmcv's operations
        import torch
        from mmengine.config import ConfigDict
        from mmengine.registry import init_default_scope
        from mmdet.registry import MODELS
        init_default_scope('mmdet')
        backbone = MODELS.build(ConfigDict(type='nasvit_mm.{name}', arch='smallest'))
        neck = MODELS.build(dict(type='FPN', in_channels=backbone.out_channels, out_channels=16,
                                 num_outs=5))
        print(len(neck(backbone(torch.randn(1, 3, 96, 64)))))
    """)
    assert out.split()[-1] == '5'


@pytest.mark.parametrize('name', NAMES)
def test_bare_name_after_import(name):
    out = python(f"""
        from mmseg.registry import MODELS
        import nasvit_mm.backbones
        print(type(MODELS.build(dict(type='{name}', arch='smallest'))).__name__)
    """)
    assert out.split()[-1] == name
