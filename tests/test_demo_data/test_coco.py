"""The COCO layout on disk, as pycocotools and mmdet's own data set class read it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nasvit_mm.demo_data import CLASSES, COCO_IDS, COCO_NAMES, THINGS, render_scene, write_coco
from nasvit_mm.demo_data.coco import SMALLEST_AREA
from nasvit_mm.demo_data.folder import scene_seed

SMALL = {'num_train': 4, 'num_val': 2, 'height': 96, 'width': 128, 'progress': False}


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('demo') / 'coco'
    assert write_coco(root, **SMALL).fresh
    return root


def test_files_and_again(root):
    names = {f'{i:012d}.jpg' for i in (1, 2, 3, 4)}
    assert {path.name for path in (root / 'train2017').iterdir()} == names
    assert not write_coco(root, **SMALL).fresh
    assert 'NOT COCO' in (root / 'README.txt').read_text()


def test_categories_are_mmdets():
    from mmdet.datasets import CocoDataset

    assert CocoDataset.METAINFO['classes'] == COCO_NAMES
    assert (COCO_IDS['person'], COCO_IDS['stop sign'], COCO_IDS['toothbrush']) == (1, 13, 90)
    assert {CLASSES[label] for label in THINGS} <= set(COCO_NAMES)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_masks_and_boxes_are_the_scenes(root, split):
    from pycocotools.coco import COCO

    coco = COCO(root / f'annotations/instances_{split}2017.json')
    seen = 0
    for number, picture in coco.imgs.items():
        scene = render_scene(scene_seed(0, split, number - 1), 96, 128)
        things = [t for t in scene.instances if t.area >= SMALLEST_AREA]
        found = coco.loadAnns(coco.getAnnIds(imgIds=[number]))
        assert len(found) == len(things) and picture['height'] == 96
        for annotation, thing in zip(found, things, strict=True):
            assert np.array_equal(coco.annToMask(annotation).astype(bool), thing.mask)
            left, top, width, height = annotation['bbox']
            assert (left, top, left + width, top + height) == thing.box
            assert annotation['area'] == thing.mask.sum()
            assert annotation['category_id'] == COCO_IDS[CLASSES[thing.label]]
            seen += 1
    assert seen


def test_mmdet_reads_it(root):
    from mmdet.datasets import CocoDataset

    data = CocoDataset(
        data_root=str(root),
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
        pipeline=[],
    )
    assert len(data) == 4 and len(data.cat_ids) == 80
    labels = {i['bbox_label'] for k in range(4) for i in data.get_data_info(k)['instances']}
    assert labels and labels <= {COCO_NAMES.index(n) for n in ('person', 'car', 'bus', 'boat')}


def test_the_truth_is_perfect(root):
    """As detections, it has an average precision of 1."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    path = root / 'annotations/instances_val2017.json'
    truth = COCO(path)
    content = json.loads(path.read_text())
    found = truth.loadRes(
        [
            dict(
                image_id=a['image_id'],
                category_id=a['category_id'],
                score=1.0,
                segmentation=a['segmentation'],
            )
            for a in content['annotations']
        ]
    )
    evaluation = COCOeval(truth, found, 'segm')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)
