"""Types of what a config says of its data."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config

from nasvit_mm.data import check_data, predict_unlabelled
from nasvit_mm.errors import UsageError


@pytest.mark.parametrize(
    ('key', 'value', 'expected'),
    [
        ('default_scope', 5, 'default_scope = 5, expected a name'),
        ('test_dataloader', 5, r'test_dataloader = 5, expected dict\(dataset='),
        ('test_dataloader.dataset', None, r'test_dataloader.dataset = None, expected dict\(type='),
        ('test_dataloader.dataset.data_root', 5, 'dataset.data_root = 5, expected a text'),
        ('test_dataloader.dataset.ann_file', ['x'], r"dataset.ann_file = \['x'\], expected a text"),
        ('test_dataloader.dataset.data_prefix', 'x', r"data_prefix = 'x', expected dict\(img_path"),
        ('test_dataloader.dataset.data_prefix', {'img_path': 1}, 'data_prefix.img_path = 1'),
        ('test_dataloader.dataset.pipeline', 'x', "pipeline = 'x', expected a list of transforms"),
        ('test_dataloader.dataset.metainfo', [1], r'metainfo = \[1\], expected dict\(classes='),
        ('test_evaluator', ['x'], r"test_evaluator = 'x', expected dict\(type="),
        ('test_evaluator', dict(ann_file=5), 'test_evaluator.ann_file = 5, expected a text'),
    ],
)
@pytest.mark.parametrize('check', [lambda cfg: check_data(cfg, 'test'), predict_unlabelled])
def test_another_type(check: Any, key: str, value: Any, expected: str) -> None:
    dataset = dict(type='BaseSegDataset', data_root='x', pipeline=[])
    cfg = Config(
        dict(default_scope='mmengine', test_dataloader=dict(dataset=dataset), test_evaluator=[])
    )
    parent, _, name = key.rpartition('.')
    part = cfg
    for step in filter(None, parent.split('.')):
        part = part[step]
    part[name] = value
    with pytest.raises(UsageError, match=expected):
        check(cfg)
