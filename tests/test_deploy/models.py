"""Small models, their configs and images, which the tests of artefacts deploy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from nasvit_mm.data import seed_everything
from nasvit_mm.dense import build_model
from nasvit_mm.deploy import Artefact
from nasvit_mm.family import FAMILIES
from nasvit_mm.files import sha256
from tests.commands import ROOT
from tests.families import randomised, small

SIZE = (64, 96)
NETWORKS = 'nasvit', 'elasticvit', 'vitas_deit_small', 'vitas_twins'
CONFIGS = {'label map': 'configs/demo/nasvit_demo.py', 'boxes': 'configs/demo/nasvit_detection.py'}


def config(task: str) -> Config:
    """Return a config of one task, without data."""
    if task == 'classes':
        model = dict(
            type='nasvit_mm.ImageClassifier', space='nasvit', arch='nasvit_min', num_classes=4
        )
        return Config(dict(model=model, default_scope='mmengine'))
    cfg = Config.fromfile(ROOT / CONFIGS[task])
    cfg.pop('train_dataloader')
    return cfg


def model(task: str) -> nn.Module:
    """Return a model whose weights all matter, and whose boxes have scores apart."""
    cfg = config(task)
    seed_everything(0)
    built = randomised(build_model(cfg))
    if task == 'label map':
        nn.init.normal_(built.decode_head.conv_seg.weight)
    if task == 'boxes':
        nn.init.normal_(built.bbox_head.retina_cls.weight, std=0.1)
    return built.eval()


def convolutions() -> Config:
    """Return the config of a small segmentor without attention."""
    model = dict(
        type='mmseg.EncoderDecoder',
        data_preprocessor=dict(type='mmseg.SegDataPreProcessor', bgr_to_rgb=True),
        backbone=dict(type='mmseg.ResNet', depth=18, base_channels=8, stem_channels=8),
        decode_head=dict(
            type='mmseg.FCNHead', in_channels=64, channels=16, num_classes=4, in_index=3
        ),
        test_cfg=dict(mode='whole'),
    )
    return Config(dict(model=model, default_scope='mmseg'))


def of_family(family: str, folder: Path) -> tuple[Config, str]:
    """Return the config of a segmentor around a family's smallest network, and weights of it."""
    cfg, space = config('label map'), small(family)
    cfg.model.backbone = dict(
        type=f'nasvit_mm.{FAMILIES[family].part("backbone").__name__}',
        space=space.to_dict(),
        arch='smallest',
        out_width=list(cfg.model.decode_head.in_channels),
    )
    seed_everything(0)
    built = randomised(build_model(cfg))
    nn.init.normal_(built.decode_head.conv_seg.weight)
    torch.save(built.state_dict(), folder / 'weights.pth')
    return cfg, str(folder / 'weights.pth')


def weights(task: str, folder: Path) -> str:
    path = folder / 'weights.pth'
    torch.save(model(task).state_dict(), path)
    return str(path)


def images(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return blocks of colours, uint8 (n, H, W, 3): noise has classes that change by a rounding."""
    blocks = np.random.default_rng(0).integers(0, 256, (number, size[0] // 16, size[1] // 16, 3))
    return blocks.repeat(16, 1).repeat(16, 2).astype(np.uint8)


def samples(built: nn.Module, given: np.ndarray) -> Any:
    """Return images as OpenMMLab's pipelines give them to a model: BGR, channels first."""
    inputs = [torch.from_numpy(i).flip(-1).permute(2, 0, 1) for i in given]
    meta = dict(
        img_shape=given.shape[1:3],
        ori_shape=given.shape[1:3],
        scale_factor=(1.0, 1.0),
        pad_shape=given.shape[1:3],
        batch_input_shape=given.shape[1:3],
        border=(0, given.shape[1], 0, given.shape[2]),
    )
    if hasattr(built, 'encode_decode'):
        from mmseg.structures import SegDataSample as Sample
    else:
        from mmdet.structures import DetDataSample as Sample
    return dict(inputs=inputs, data_samples=[Sample(metainfo=meta) for _ in inputs])


def written(folder, **changed) -> Artefact:
    """Write an artefact without a model in it."""
    folder.mkdir(exist_ok=True)
    (folder / 'model.onnx').write_bytes(b'no model')
    given = dict(
        task='label map',
        runtime='onnx',
        version='1',
        precision='fp32',
        input=dict(name='images', shape=[1, 32, 48, 3]),
        outputs=dict(label_map=dict(shape=[1, 32, 48], dtype='uint8')),
        mean=[0.0] * 3,
        std=[1.0] * 3,
        fit='stretch',
        fill=[0, 0, 0],
        classes=['a'],
        palette=[],
        files={'model.onnx': sha256(folder / 'model.onnx')},
    )
    artefact = Artefact(folder=folder, **{**given, **changed})
    artefact.save()
    return artefact
