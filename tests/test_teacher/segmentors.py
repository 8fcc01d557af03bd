"""Small segmentors to learn from, and what to learn it on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from tests.test_supernet.tasks import model_config

CLASSES = ('road', 'sky', 'tree', 'traffic light')
# The same values in another order of the channels and another scale than ImageNet's.
OTHER = dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False)


def segmentor(classes: int = len(CLASSES), head: dict | None = None, **pre: Any) -> dict:
    """Return the config of a foreign segmentor, of one convolution and mmseg's FCN."""
    preprocessor = dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(64, 64),
    )
    return dict(
        type='EncoderDecoder',
        data_preprocessor={**preprocessor, **pre},
        backbone=dict(
            type='ResNet', depth=18, base_channels=4, num_stages=1, strides=(1,), dilations=(1,),
            out_indices=(0,),
        ),
        decode_head=dict(
            dict(
                type='FCNHead', in_channels=4, channels=4, num_convs=1, num_classes=classes,
                norm_cfg=dict(type='BN'),
            ),
            **(head or {}),
        ),
    )  # fmt: skip


def supernet(teacher: dict | None = None, **options: Any) -> dict:
    """Return the config of a supernet in a small segmentor."""
    return dict(
        dict(
            type='nasvit_mm.Supernet',
            model=model_config('nasvit', 'segmentation'),
            sampler=dict(type='sandwich', num_random=1),
            teacher=teacher,
        ),
        **options,
    )


def built(cfg: dict, scope: str = 'mmseg') -> nn.Module:
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(cfg)


def trained(
    folder: Path,
    cfg: dict | None = None,
    classes: Sequence[str] | None = CLASSES,
    scope: str = 'mmseg',
) -> dict[str, str]:
    """Write a teacher's config and checkpoint; return ``teacher`` of a config."""
    cfg = Config(dict(model=cfg or segmentor(), default_scope=scope))
    torch.manual_seed(1)
    model = built(cfg.model, scope)
    meta = {} if classes is None else dict(dataset_meta=dict(classes=tuple(classes)))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), folder / 'teacher.pth')
    cfg.dump(folder / 'teacher.py')
    return dict(config=str(folder / 'teacher.py'), checkpoint=str(folder / 'teacher.pth'))
