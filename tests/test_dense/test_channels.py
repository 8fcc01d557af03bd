"""Neck and heads that take other widths than the backbone gives are refused, with what to set."""

from __future__ import annotations

import ast
import copy
import re

import pytest
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from torch import nn

from nasvit_mm.dense import check_channels, fit_channels
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import MODELS
from tests.zoo import TOP, ZOO, Entry, zoo_model

ENTRIES = {
    name: ZOO[name] for name in ('fcn', 'ocrnet', 'knet', 'yolov3', 'centernet', 'mask2former')
} | {
    'resize_concat': Entry('mmseg', 'hrnet/fcn_hr18_4xb2-160k_cityscapes-512x1024.py'),
    'deeplabv3plus': Entry(
        'mmseg', 'deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py'
    ),
    'jpu': Entry('mmseg', 'fastfcn/fastfcn_r50-d32_jpu_enc_4xb2-80k_cityscapes-512x1024.py', TOP),
    'ssd': Entry('mmdet', 'ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py', (2, 3)),
}


def config(name: str) -> Config:
    """A model of the zoo around a backbone that gives other widths than it takes."""
    model = zoo_model(ENTRIES[name], 'nasvit')
    model.backbone.pop('out_width')
    model.backbone.arch = 'smallest'
    return Config(dict(model=model))


def widths(cfg: Config) -> list[int]:
    return list(MODELS.build(cfg.model.backbone).out_channels)


def build(cfg: Config) -> nn.Module:
    model = revert_sync_batchnorm(MODELS.build(copy.deepcopy(cfg.model)))
    model.eval()
    return model


def followed(cfg: Config) -> list[str]:
    """Do what is said until nothing is, and return the keys that were set."""
    keys = []
    while True:
        try:
            check_channels(build(cfg))
            return keys
        except UsageError as error:
            key, value = re.search(
                r'set model\.([\w.]+)=(\[.*?\]|\(.*?\)|\d+)', str(error)
            ).groups()
        assert key not in keys
        keys.append(key)
        cfg.merge_from_dict({f'model.{key}': ast.literal_eval(value)})


@pytest.mark.parametrize('name', ENTRIES)
def test_what_is_said_to_set_works(name: str) -> None:
    cfg = config(name)
    with pytest.raises(UsageError, match=r'gives \[\d.* takes \d+ .* gets \d'):
        check_channels(build(cfg))
    assert followed(cfg)


@pytest.mark.parametrize('name', ENTRIES)
def test_fitted_channels_are_not_refused(name: str) -> None:
    cfg = config(name)
    fit_channels(cfg, widths(cfg))
    check_channels(build(cfg))
    again = copy.deepcopy(cfg)
    fit_channels(again, widths(cfg))
    assert again.model == cfg.model


def test_order_and_type_stay() -> None:
    cfg = config('yolov3')
    fit_channels(cfg, [10, 20, 30])
    assert cfg.model.neck.in_channels == [30, 20, 10]
    cfg = config('jpu')
    fit_channels(cfg, [10, 20, 30])
    assert cfg.model.neck.in_channels == (10, 20, 30)
    assert cfg.model.auxiliary_head.in_channels == 20  # which the neck hands on


def test_nothing_is_touched_where_the_widths_stay() -> None:
    cfg = config('fcn')
    cfg.model.decode_head.in_channels = 7
    before = copy.deepcopy(cfg.model)
    fit_channels(cfg, [8, 16, 24, 32], before=[8, 16, 24, 32])
    assert cfg.model == before
    fit_channels(cfg, [8, 16, 24, 32], before=[8, 16, 24, 40])
    assert cfg.model.decode_head.in_channels == 32


def test_an_output_that_is_not_there() -> None:
    cfg = config('fcn')
    fit_channels(cfg, widths(cfg))
    cfg.model.auxiliary_head.in_index = 4
    before = cfg.model.auxiliary_head.in_channels
    fit_channels(cfg, widths(cfg))
    assert cfg.model.auxiliary_head.in_channels == before
    with pytest.raises(UsageError, match=r'auxiliary_head does not take 4 maps'):
        check_channels(build(cfg))


def test_a_model_that_fails_in_another_way_passes() -> None:
    class Odd(nn.Module):
        in_channels = (1, 2, 3, 4)

        def forward(self, maps):
            raise ValueError(maps[0].shape)

    model = build(config('fcn'))
    model.decode_head = Odd()
    model.auxiliary_head = None
    check_channels(model)


def test_several_necks_in_a_row() -> None:
    path = 'libra_rcnn/libra-faster-rcnn_r50_fpn_1x_coco.py'
    cfg = Config(dict(model=zoo_model(Entry('mmdet', path))))
    cfg.model.backbone.pop('out_width')
    cfg.model.neck[1].in_channels = 48
    assert followed(cfg) == ['neck.0.in_channels', 'neck.1.in_channels']


@pytest.mark.parametrize(
    ('name', 'key'),
    [
        ('faster_rcnn', 'bbox_head.in_channels'),
        ('faster_rcnn', 'bbox_roi_extractor.out_channels'),
        ('cascade_mask_rcnn', 'bbox_head.1.in_channels'),
        ('cascade_mask_rcnn', 'mask_head.in_channels'),
    ],
)
def test_parts_of_the_second_stage(name: str, key: str) -> None:
    """What an extractor says of its regions is not what it does."""
    cfg = Config(dict(model=zoo_model(name)))
    cfg.merge_from_dict({f'model.roi_head.{key}': 48})
    assert followed(cfg) == [f'roi_head.{key}']


def test_a_stage_of_a_resnet_as_shared_head_says_the_width() -> None:
    """Of the C4 kind: no option of the model changes it, so that the backbone's does."""
    path = 'faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py'
    model = zoo_model(Entry('mmdet', path, (2,), (1024,)))
    model.roi_head.bbox_head.in_channels = 2048
    model.roi_head.bbox_roi_extractor.out_channels = 1024
    model.backbone.pop('out_width')
    cfg = Config(dict(model=model))
    for message in (r'.*; give the backbone out_width=1024$', r'.*; set .*in_channels=1024$'):
        with pytest.raises(UsageError, match=message):
            check_channels(build(cfg))
        cfg.model.backbone.out_width = 1024
    cfg.model.rpn_head.in_channels = 1024
    check_channels(build(cfg))


def test_a_neck_of_transposed_convolutions() -> None:
    """They take maps of any width on the meta device."""
    model = zoo_model(Entry('mmseg', 'mae/mae-base_upernet_8xb2-amp-160k_ade20k-512x512-ms.py'))
    model.backbone.pop('out_width')
    model.backbone.arch = 'smallest'
    cfg = Config(dict(model=model))
    with pytest.raises(UsageError, match='takes 768 channels and gets .* out_width=768$'):
        check_channels(build(cfg))
    cfg.model.backbone.out_width = 768
    followed(cfg)


def test_a_head_of_a_supernet_behind_a_neck() -> None:
    model = zoo_model('fcos')
    model.backbone.pop('out_width')
    model.bbox_head.in_channels = 48
    model.neck.in_channels = [64] * 4
    model.backbone.out_width = 64
    sampler = dict(type='sandwich', num_random=1)
    supernet = MODELS.build(dict(type='nasvit_mm.Supernet', model=model, sampler=sampler))
    with pytest.raises(UsageError, match=r'set model\.model\.bbox_head\.in_channels=32$'):
        check_channels(supernet)


def test_the_head_follows_a_neck_of_many_levels() -> None:
    """SSD's, which wants large maps."""
    cfg = Config(dict(model=zoo_model(Entry('mmdet', 'ssd/ssd300_coco.py', (2, 3), (512, 1024)))))
    cfg.model.backbone.pop('out_width')
    fit_channels(cfg, [10, 20])
    assert list(cfg.model.bbox_head.in_channels)[:2] == [10, 20]


def test_regions_of_the_backbones_own_map_are_fitted() -> None:
    """Of a detector of two stages without a neck."""
    path = 'faster_rcnn/faster-rcnn_r50-caffe-dc5_1x_coco.py'
    model = zoo_model(Entry('mmdet', path, (3,), (2048,)))
    model.backbone.pop('out_width')
    model.backbone.arch = 'smallest'
    cfg = Config(dict(model=model))
    fit_channels(cfg, widths(cfg))
    check_channels(build(cfg))
