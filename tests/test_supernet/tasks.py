"""Task models over any backbone, and batches for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData, PixelData
from torch import nn

from nasvit_mm.family import FAMILIES
from tests.commands import ROOT
from tests.families import small

TASKS = 'classification', 'segmentation', 'detection'
DEMOS = {
    'segmentation': 'configs/demo/nasvit_demo.py',
    'detection': 'configs/demo/nasvit_detection.py',
}
WIDTH = 16


def model_config(space: str, task: str) -> dict[str, Any]:
    """Of a small supernet of a space in a task's model."""
    of = small(space).restrict(resolution=32).to_dict()
    if task == 'classification':
        return dict(type='nasvit_mm.ImageClassifier', space=of, num_classes=4)
    cfg = Config.fromfile(ROOT / DEMOS[task])
    init_default_scope(cfg.default_scope)
    outputs = (0, 1, 2, 3) if task == 'segmentation' else (1, 2, 3)
    model = cfg.model
    model.backbone = dict(
        type=f'nasvit_mm.{FAMILIES[space].part("backbone").__name__}',
        space=of,
        out_indices=outputs,
        out_width=WIDTH,
    )
    taker = model.decode_head if task == 'segmentation' else model.neck
    taker.in_channels = [WIDTH] * len(outputs)
    if task == 'segmentation':
        model.decode_head.update(channels=WIDTH, num_classes=4)
        model.data_preprocessor.size = (64, 64)
    return model.to_dict()


def batch(model: nn.Module, size: tuple[int, int], classes: int = 3) -> dict[str, Any]:
    """Two pictures with labels, as a model's preprocessor gives them."""
    generator = torch.Generator().manual_seed(0)
    return dict(
        inputs=torch.randn(2, 3, *size, generator=generator),
        data_samples=[_sample(model, size, classes, generator) for _ in range(2)],
    )


def raw_batch(model: nn.Module, size: tuple[int, int]) -> Mapping[str, Any]:
    """Two pictures with labels, as a data loader gives them."""
    generator = torch.Generator().manual_seed(0)
    if not hasattr(model, 'extract_feat'):
        return dict(
            inputs=torch.randn(2, 3, *size, generator=generator), labels=torch.tensor([1, 2])
        )
    inputs = [
        torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator) for _ in range(2)
    ]
    return dict(inputs=inputs, data_samples=batch(model, size)['data_samples'])


def _sample(
    model: nn.Module, size: tuple[int, int], classes: int, generator: torch.Generator
) -> Any:
    meta = dict(
        img_shape=size,
        ori_shape=size,
        pad_shape=size,
        batch_input_shape=size,
        scale_factor=(1.0, 1.0),
    )
    if hasattr(model, 'encode_decode'):
        from mmseg.structures import SegDataSample

        sample = SegDataSample(metainfo=meta)
        labels = torch.randint(0, classes, (1, *size), generator=generator)
        sample.gt_sem_seg = PixelData(data=labels)
        return sample
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

    sample = DetDataSample(metainfo=meta)
    height, width = (side // 2 for side in size)
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[10.0, 10.0, 10.0 + width, 10.0 + height]]), labels=torch.tensor([1])
    )
    if any('mask' in name for name, _ in model.named_modules()):
        masks = np.zeros((1, *size), np.uint8)
        masks[:, 10 : 10 + height, 10 : 10 + width] = 1
        sample.gt_instances.masks = BitmapMasks(masks, *size)
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    return sample
