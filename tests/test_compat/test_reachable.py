"""Which operations of mmcv a config's model can reach, found before a step is made."""

from __future__ import annotations

import importlib

import pytest

pytest.importorskip('mmdet')

from mmengine.config import ConfigDict

from nasvit_mm import apis
from nasvit_mm.compat import check_operations, missing_operations, modules_without, reachable
from nasvit_mm.errors import UsageError


def reached(monkeypatch, scope: str = 'mmdet', **model) -> dict[str, list[str]]:
    """Every operation that a model reaches, as if none were there."""
    monkeypatch.setattr(reachable, 'is_missing', lambda operation, device: True)
    return missing_operations(ConfigDict(default_scope=scope, model=model), 'cpu')


@pytest.mark.parametrize(
    'model, operation, where',
    [
        # imported by the head's module, called by a method of its base
        (dict(bbox_head=dict(type='GARetinaHead')), 'masked_im2col_forward', 'model.bbox_head'),
        # built from a name in the config
        (dict(neck=dict(upsample_cfg=dict(type='carafe'))), 'carafe_forward', 'upsample_cfg'),
        (dict(backbone=dict(dcn=dict(type='DCNv2'))), 'modulated_deform_conv_forward', 'dcn'),
        # ... and from the default of an argument
        (dict(neck=dict(type='FPN_CARAFE')), 'carafe_backward', 'model.neck.upsample_cfg'),
        # looked up in mmcv.ops
        (dict(roi_layer=dict(type='RoIPool')), 'roi_pool_forward', 'model.roi_layer'),
        (dict(test_cfg=dict(nms=dict(type='soft_nms'))), 'softnms', 'model.test_cfg.nms'),
        # a loss, and an assignment that suppresses
        (dict(train_cfg=[dict(sampler=dict(type='ScoreHLRSampler'))]), 'nms_match', 'train_cfg.0'),
        (dict(encoder=dict(type='MSDeformAttnPixelDecoder')), 'ms_deform_attn_forward', 'encoder'),
    ],
    ids=str,
)
def test_what_a_config_reaches(monkeypatch, model, operation, where):
    found = reached(monkeypatch, **model)
    assert any(where in part for part in found[operation]), found


def test_mmseg_is_followed_too(monkeypatch):
    head = dict(decode_head=dict(type='PSAHead'))
    assert 'psamask_forward' in reached(monkeypatch, 'mmseg', **head)
    assert 'psamask_forward' not in reached(monkeypatch, 'mmseg', decode_head=dict(type='FCNHead'))


def test_a_users_own_package_is_followed(monkeypatch, tmp_path):
    (tmp_path / 'own_package').mkdir()
    for name, text in (
        ('__init__', ''),
        ('base', 'from mmcv import ops\n\n\nclass Base:\n    pool = ops.RoIPool\n'),
        ('head', 'from .base import Base\n\n\nclass Head(Base):\n    pass\n'),
    ):
        (tmp_path / 'own_package' / f'{name}.py').write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    head = importlib.import_module('own_package.head').Head
    assert 'roi_pool_forward' in reached(monkeypatch, head=dict(type=head))


def test_a_class_that_is_only_asked_for_is_not_reached(monkeypatch):
    """FCNMaskHead initialises a CARAFE, if it has one: ``isinstance(m, CARAFEPack)``."""
    assert 'carafe_forward' not in reached(monkeypatch, mask_head=dict(type='FCNMaskHead'))


def test_what_is_missing_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(reachable, 'is_missing', lambda operation, device: operation == 'softnms')
    cfg = ConfigDict(default_scope='mmdet', model=dict(test_cfg=dict(nms=dict(type='soft_nms'))))
    with pytest.raises(UsageError) as caught:
        check_operations(cfg, 'cpu')
    assert '(cpu): softnms (model.test_cfg.nms: soft_nms): compile it' in str(caught.value)
    cfg.model.test_cfg.nms.type = 'nms'
    check_operations(cfg, 'cpu')


def test_training_refuses_it_before_anything_is_built(monkeypatch):
    """RetinaNet's anchors may be masked, and masks are cropped by roi_align."""
    monkeypatch.setattr(reachable, 'is_missing', lambda operation, device: 'roi' in operation)
    with pytest.raises(UsageError, match=r'roi_align_forward \(model.bbox_head: RetinaHead'):
        apis.train('configs/demo/nasvit_detection.py')


def test_compiled_mmcv_lacks_kernels_on_a_cpu(monkeypatch):
    monkeypatch.setattr(reachable, 'is_stand_in', lambda module: False)
    absent = ('carafe_forward', 'masked_im2col_forward', 'roi_pool_forward', 'softmax_focal_loss')
    assert all(reachable.is_missing(name, 'cpu') for name in absent)
    assert not any(reachable.is_missing(name, 'cuda') for name in absent)
    there = ('nms', 'softnms', 'psamask_forward', 'roi_align_forward', 'ms_deform_attn_forward')
    assert not any(reachable.is_missing(name, 'cpu') for name in there)


def test_almost_every_module_of_mmdet_and_mmseg_runs():
    assert set(modules_without('cpu')) <= {'CLRHead'}
