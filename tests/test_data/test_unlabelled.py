"""Test images without annotations are predicted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from PIL import Image

import nasvit_mm.compat  # noqa: F401 (before mmdet)
from nasvit_mm.data import check_contents, check_data, predict_unlabelled
from nasvit_mm.errors import DataError, UsageError


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


@pytest.fixture
def coco(tmp_path: Path) -> Config:
    pytest.importorskip('mmdet')
    Image.new('RGB', (40, 30)).save(tmp_path / 'a.jpg')
    content = dict(
        images=[dict(id=1, file_name='a.jpg', width=40, height=30)],
        categories=[dict(id=1, name='cat')],
    )
    (tmp_path / 'a.json').write_text(json.dumps(content))
    steps = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
    dataset = dict(type='mmdet.CocoDataset', data_root=str(tmp_path), ann_file='a.json')
    return Config(
        dict(
            default_scope='mmdet',
            work_dir=None,
            test_dataloader=dict(dataset=dict(dataset, pipeline=steps)),
            test_evaluator=dict(type='CocoMetric', ann_file=str(tmp_path / 'a.json')),
        )
    )


def test_images_of_coco_json_without_annotations_are_predicted(coco: Config) -> None:
    check_data(coco, 'test')
    with pytest.raises(DataError, match="nothing as 'annotations'.* test CONFIG CHECKPOINT --out"):
        check_contents(coco, 'test')
    predict_unlabelled(coco)
    check_contents(coco, 'test')
    assert [step.type for step in coco.test_dataloader.dataset.pipeline] == ['LoadImageFromFile']
    assert coco.test_evaluator.format_only


def test_boxes_that_are_there_are_evaluated(coco: Config) -> None:
    path = Path(coco.test_evaluator.ann_file)
    box = dict(id=1, image_id=1, category_id=1, bbox=[2, 2, 9, 9], area=81, iscrowd=0)
    path.write_text(json.dumps(dict(json.loads(path.read_text()), annotations=[box])))
    predict_unlabelled(coco)
    assert 'format_only' not in coco.test_evaluator
