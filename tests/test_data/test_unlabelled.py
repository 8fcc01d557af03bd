"""Test images without annotations are predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from nasvit_mm.data import check_data, predict_unlabelled
from nasvit_mm.errors import UsageError


def config(root: Path) -> Config:
    prefix = dict(img_path='img', seg_map_path='ann')
    steps: list[dict[str, Any]] = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    dataset = dict(type='BaseSegDataset', data_root=str(root), data_prefix=prefix, pipeline=steps)
    return Config(
        dict(
            default_scope='mmengine',
            test_dataloader=dict(dataset=dataset),
            test_evaluator=dict(type='IoUMetric'),
        )
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / 'img').mkdir()
    (tmp_path / 'img/a.jpg').touch()
    return tmp_path


def test_annotations_that_are_not_there_are_not_read(root: Path) -> None:
    cfg = config(root)
    with pytest.raises(UsageError, match=r'ann does not exist .* test --out DIR'):
        check_data(cfg, 'test')
    predict_unlabelled(cfg)
    dataset = cfg.test_dataloader.dataset
    assert [step.type for step in dataset.pipeline] == ['LoadImageFromFile']
    assert 'seg_map_path' not in dataset.data_prefix and cfg.test_evaluator.format_only


def test_annotations_that_are_there_are_read(root: Path) -> None:
    (root / 'ann').mkdir()
    cfg = config(root)
    predict_unlabelled(cfg)
    assert cfg.to_dict() == config(root).to_dict()
