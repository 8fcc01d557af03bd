"""Costs by config: what has no backbone is refused by a true sentence."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from nasvit_mm.dense import count
from nasvit_mm.errors import UsageError

CONFIGS = {
    ('mmseg', 'san/san-vit-b16_voc12aug-640x640.py'): 'of a MultimodalEncoderDecoder.*dense.trace',
    (
        'mmdet',
        'bytetrack/bytetrack_yolox_x_8xb4-80e_crowdhuman-mot17halftrain_test-mot17halfval.py',
    ): "of a ByteTrack.*that of its detector is: give the detector's own config",
    (
        'mmdet',
        'soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py',
    ): 'of a SoftTeacher.*that of its detector is',
}


@pytest.mark.parametrize(('package', 'path'), CONFIGS, ids=lambda value: value.split('/')[0])
def test_models_without_a_backbone(package: str, path: str) -> None:
    root = Path(importlib.import_module(package).__file__).parent / '.mim/configs'
    with pytest.raises(UsageError, match=CONFIGS[package, path]):
        count(root / path)
