"""A share of the images: which ones, and metrics that judge by these alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from nasvit_mm.demo_data import write_coco
from nasvit_mm.errors import UsageError
from nasvit_mm.search import SupernetEvaluator
from nasvit_mm.search.evaluators.seen import check_metrics, larger_batch, share_of

FILE = 'annotations/instances_val2017.json'


@pytest.fixture(scope='module')
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('coco') / 'coco'
    write_coco(root, 1, 8, height=48, width=64, progress=False)
    return root


class Finder(nn.Module):
    """A detector that finds all objects of three images of four, and half of each of the others."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        known = json.loads((root / FILE).read_text())
        names = {c['id']: label for label, c in enumerate(known['categories'])}
        self.objects = {image['id']: [] for image in known['images']}
        for each in known['annotations']:
            self.objects[each['image_id']].append((each['bbox'], names[each['category_id']]))

    def val_step(self, batch: dict) -> list:
        from mmengine.structures import InstanceData

        for sample in batch['data_samples']:
            found = self.objects[sample.img_id]
            x, y, w, h = torch.tensor([box for box, _ in found]).reshape(-1, 4).T
            w = w / (1 if sample.img_id % 4 else 2)
            sample.pred_instances = InstanceData(
                bboxes=torch.stack([x, y, x + w, y + h], 1),
                scores=torch.ones(len(found)),
                labels=torch.tensor([label for _, label in found], dtype=torch.long),
            )
        return batch['data_samples']


def evaluator(root: Path, file: str = FILE) -> SupernetEvaluator:
    """One that has all it measures with, and no supernet."""
    init_default_scope('mmdet')
    each = SupernetEvaluator.__new__(SupernetEvaluator)
    each.split, each.seed, each.dtype, each.cache = 'val', 0, None, True
    each.share = 1.0
    each._batches, each._loaders = {}, {}
    each.cfg = Config(
        dict(
            val_dataloader=dict(
                batch_size=3,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(
                    type='CocoDataset',
                    data_root=str(root),
                    ann_file=file,
                    data_prefix=dict(img='val2017/'),
                    test_mode=True,
                    pipeline=[
                        dict(type='LoadImageFromFile'),
                        dict(type='PackDetInputs', meta_keys=('img_id', 'ori_shape')),
                    ],
                ),
            ),
            val_evaluator=dict(type='CocoMetric', ann_file=str(root / file), metric='bbox'),
        )
    )
    return each


def test_a_look_is_an_evaluation_of_just_these_images(coco: Path) -> None:
    """Objects of the others, which the annotation file has too, are not missed."""
    (taken,) = share_of([[*range(8)]], 0.25)
    known = json.loads((coco / FILE).read_text())
    known['images'] = [known['images'][i] for i in taken]
    ids = {image['id'] for image in known['images']}
    known['annotations'] = [a for a in known['annotations'] if a['image_id'] in ids]
    (coco / 'taken.json').write_text(json.dumps(known))
    look = evaluator(coco).measure(Finder(coco), 0.25)
    assert look.pop('val/images') == len(taken) == 2
    assert look == evaluator(coco, 'taken.json').measure(Finder(coco))
    assert look['coco/bbox_mAP'] > 0.4


def test_it_is_a_share_of_images_not_of_batches() -> None:
    """Evenly of all, in batches of their size; however few there are, not all."""
    assert share_of([[5, 4, 3], [2, 1, 0]], 0.5) == [[4, 2, 0]]
    assert share_of([[*range(8)], [*range(8, 12)]], 0.75) == [[0, 2, 3, 4, 6, 7, 8, 10], [11]]
    assert share_of([[0, 1]], 0.1) == [[1]]
    with pytest.raises(UsageError, match='a share of 0.5 of 1 images is all of them'):
        share_of([[0]], 0.5)


ANNOTATED = dict(ann_file='somewhere.json')


@pytest.mark.parametrize(
    'metric',
    [
        dict(type='CocoMetric', **ANNOTATED),
        dict(type='FasterCocoMetric', **ANNOTATED),
        dict(type='LVISMetric', **ANNOTATED),
        dict(type='CocoPanopticMetric', **ANNOTATED),
        dict(type='VOCMetric'),
        [dict(type='CocoMetric'), dict(type='mmseg.IoUMetric')],
    ],
)
def test_metrics_that_judge_by_what_they_see(metric) -> None:
    check_metrics(metric, 'mmdet')


@pytest.mark.parametrize(
    'metric',
    [
        dict(type='CrowdHumanMetric', ann_file='somewhere.odgt'),
        dict(type='CocoPanopticMetric', outfile_prefix='out', **ANNOTATED),
        [dict(type='CocoMetric', **ANNOTATED), dict(type='DODCocoMetric', **ANNOTATED)],
    ],
)
def test_metrics_that_judge_by_all_images_are_refused(metric) -> None:
    with pytest.raises(UsageError, match='Metric judges by all images of its ann_file'):
        check_metrics(metric, 'mmdet')


@pytest.mark.parametrize(
    ('shapes', 'number'),
    [
        ([[(3, 180, 240)]] * 30, 16),  # 24 would be 2 ** 20 pixels
        ([[(3, 360, 480)]] * 2, 4),
        ([[(3, 48, 48)]] * 2, 64),
        ([[(3, 180, 240)] * 16, [(3, 180, 240)]], None),  # as large already
        ([[(3, 180, 240)], [(3, 180, 241)]], None),  # would be padded
        ([[(3, 1024, 2048)]], None),  # memory
        ([[(3, 48, 48)] * 8], None),  # all at once already
        ([], None),
    ],
)
def test_how_many_images_at_once(shapes, number):
    batches = [dict(inputs=[torch.empty(shape) for shape in batch]) for batch in shapes]
    assert larger_batch(batches) == number


@pytest.mark.parametrize(
    ('batch', 'number'),
    [
        (dict(inputs=torch.empty(1, 3, 48, 48)), 64),  # stacked
        (dict(inputs=dict(images=[])), None),
        ((torch.empty(1, 3, 48, 48), [1]), None),
        (dict(images=[]), None),
    ],
)
def test_batches_of_other_forms(batch, number):
    assert larger_batch([batch] * 64) == number
