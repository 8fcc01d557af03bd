"""By which metric a drop is held."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nasvit_mm.deploy.score import Score
from nasvit_mm.errors import UsageError


def score(task: str, found: dict[str, float], named: Any = None, outputs: Any = ()) -> Score:
    """A score of no images, whose evaluator gives what it is told."""
    made = object.__new__(Score)
    made.named, made.metric = named, ''
    made.loader = made.evaluator = SimpleNamespace(metrics=(), evaluate=lambda number: found)
    made.model = SimpleNamespace(artefact=SimpleNamespace(task=task, outputs=outputs))
    return made


SEGMENTS = dict(aAcc=90.0, mIoU=40.0, mAcc=50.0)
DETECTS = {'coco/bbox_mAP_50': 0.7, 'coco/bbox_mAP': 0.4}
MASKS = {**DETECTS, 'coco/segm_mAP': 0.3}


@pytest.mark.parametrize(
    ('given', 'metric'),
    [
        (('label map', SEGMENTS), 'mIoU'),
        (('label map', SEGMENTS, 'auto'), 'mIoU'),
        (('label map', SEGMENTS, 'mAcc'), 'mAcc'),
        (('boxes', DETECTS, 'auto'), 'coco/bbox_mAP'),
        (('boxes', MASKS), 'coco/bbox_mAP'),
        (('boxes', MASKS, 'auto', ['masks']), 'coco/segm_mAP'),
        (('boxes', {'pascal_voc/AP50': 0.5, 'pascal_voc/mAP': 0.4}), 'pascal_voc/mAP'),
        (('classes', {'accuracy/top5': 90.0, 'accuracy/top1': 70.0}), 'accuracy/top1'),
    ],
)
def test_the_main_metric_of_the_task(given: tuple, metric: str) -> None:
    made = score(*given)
    assert made(None, []) == given[1][metric]
    assert made.metric == metric


def test_a_task_without_its_metric_is_refused() -> None:
    with pytest.raises(UsageError, match='--max-drop holds mIoU, and val_evaluator gives mine, l'):
        score('label map', dict(mine=1.0, loss=2.0))(None, [])
    assert score('label map', dict(mine=1.0, loss=2.0), 'mine')(None, []) == 1.0
