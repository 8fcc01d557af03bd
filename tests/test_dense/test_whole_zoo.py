"""Nightly: each model of mmseg's and mmdet's zoos around our backbone is checked and counted."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

import nasvit_mm.compat  # noqa: F401 (before mmseg)
from nasvit_mm.dense import build_model, count_model, fit_channels
from nasvit_mm.registry import MODELS

BACKBONE = dict(type='nasvit_mm.NASViT', arch='nasvit_min')
SIZE = (512, 640)  # what SSD's last levels want
# Folders, and configs in others, that are left out, and why.  What else is refused is a failure.
LEFT_OUT = {
    'mmseg': {
        **dict.fromkeys(
            ['bisenetv1', 'bisenetv2', 'cgnet', 'ddrnet', 'erfnet', 'icnet', 'pidnet', 'stdc'],
            'the network is the method: its branches are the backbone',
        ),
        'dpt': 'its head wants class tokens',
        'setr': 'some of its heads want maps of equal strides',
        'san': 'has no backbone',
        **dict.fromkeys(['beit', 'mae'], 'their neck makes a pyramid of maps of one size'),
        'unet': 'its heads take five outputs',
        'mobilenet_v3': 'LRASPP wants images of 800 pixels',
        'vpd': 'wants a diffusion model',
        'dsdl': 'data sets',
    },
    'mmdet': {
        **dict.fromkeys(
            ['glip', 'grounding_dino', 'mm_grounding_dino'], 'want a language model (transformers)'
        ),
        **dict.fromkeys(['cornernet', 'centripetalnet'], 'the hourglass is the method'),
        **dict.fromkeys(['detectors', 'tridentnet'], 'the backbone is the method'),
        **dict.fromkeys(
            [
                *('bytetrack', 'deepsort', 'sort', 'strongsort', 'ocsort', 'qdtrack', 'reid'),
                *('masktrack_rcnn', 'mask2former_vis', 'soft_teacher'),
            ],
            'models of videos, or around another model',
        ),
        'ld': 'fetches its teacher',
        'cascade_rpn/cascade-rpn_r50-caffe_fpn_1x_coco.py': 'mmdet cannot build its head',
        'clrnet': 'names a preprocessor that mmdet does not have',
        'nas_fcos': 'torch refuses its batch norms, of eps=0',
        **dict.fromkeys(
            ['simple_copy_paste', 'strong_baselines'],
            'mmcv builds their norms (MMSyncBN) in several processes only',
        ),
        'rtmdet/rtmdet_l_swin_b_4xb32-100e_coco.py': (
            'the norms of its neck have 32 groups, of which our widths are no multiples'
        ),
    },
}


def folders() -> Iterator[tuple[str, str]]:
    for package in ('mmseg', 'mmdet'):
        root = Path(importlib.util.find_spec(package).origin).parent / '.mim/configs'
        for folder in sorted(root.iterdir()):
            if folder.is_dir() and folder.name[0] != '_':
                yield package, folder.name


def models(package: str, folder: str) -> Iterator[tuple[str, Config]]:
    """The configs of a folder whose parts are of other types than those of an earlier one."""
    root = Path(importlib.import_module(package).__file__).parent / '.mim/configs'
    known = set()
    for path in sorted((root / folder).glob('*.py')):
        cfg = Config.fromfile(path, import_custom_modules=False)
        heads = {k: v for k, v in cfg.get('model', {}).items() if k != 'backbone'}
        signature = str(list(types_in(heads)))
        own = cfg.get('model', {}).get('backbone')
        if own and not own.type.startswith('mmpretrain') and signature not in known:
            known.add(signature)
            yield path.name, cfg


def types_in(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        yield from [str(part['type'])] if 'type' in part else []
        for value in part.values():
            yield from types_in(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from types_in(value)


def without_weights(part: Any) -> None:
    """Take what is downloaded out of a config, in place."""
    for value in part.values() if isinstance(part, dict) else part:
        if isinstance(value, (dict, list, tuple)):
            without_weights(value)
    if isinstance(part, dict):
        for key in {'pretrained', 'init_cfg', 'teacher_ckpt'} & set(part):
            part[key] = None


def around_ours(cfg: Config, package: str) -> tuple[Config, list[int]]:
    """The config around our backbone, and the widths of its own one's outputs."""
    init_default_scope(package)
    without_weights(cfg.model)
    own = MODELS.build(copy.deepcopy(cfg.model.backbone)).to('meta')
    own.eval()
    with torch.no_grad():
        side = np.max(cfg.model.backbone.get('img_size') or 256)
        maps = own(torch.zeros(1, 3, side, side, device='meta'))
    widths = [m.shape[1] for m in (maps if isinstance(maps, (list, tuple)) else [maps])][-4:]
    cfg.model.backbone = dict(BACKBONE, out_indices=tuple(range(4 - len(widths), 4)))
    cfg.default_scope = package
    return cfg, widths


@pytest.mark.nightly
@pytest.mark.parametrize('taps', [False, True], ids=['natural', 'taps'])
@pytest.mark.parametrize(('package', 'folder'), folders())
def test_every_model_is_counted(package: str, folder: str, taps: bool) -> None:
    if folder in LEFT_OUT[package]:
        pytest.skip(LEFT_OUT[package][folder])
    failed = []
    for name, cfg in models(package, folder):
        if f'{folder}/{name}' in LEFT_OUT[package]:
            continue
        try:
            ours, widths = around_ours(cfg, package)
            if taps or 'shared_head' in ours.model.get('roi_head', {}):  # which says the width
                ours.model.backbone.out_width = widths
            else:
                given = MODELS.build(ours.model.backbone).out_channels
                fit_channels(ours, given, widths)
            assert count_model(build_model(ours), SIZE).macs['head'] > 0
        except Exception as error:  # all of a folder are told
            failed.append(f'{name}: {type(error).__name__}: {error}')
    assert not failed, '\n'.join(failed)
