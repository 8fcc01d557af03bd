"""What the metrics of a split say of a model, also of one that finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.evaluator import Evaluator

COCO_ITEMS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
COCO_KINDS = ('bbox', 'segm')


def evaluated(evaluator: Evaluator, number: int) -> dict[str, float]:
    """``evaluator.evaluate(number)``, and 0.0 for what mmdet's ``CocoMetric`` leaves out where no
    picture has a box: a detector that finds nothing has a precision too.

    Args:
        evaluator: has processed all samples.
        number: of them.

    Raises:
        ValueError: two metrics of one name.
    """
    found = {name: float(value) for name, value in evaluator.evaluate(number).items()}
    for metric in evaluator.metrics:
        for name in _coco_names(metric):
            found.setdefault(name, 0.0)
    return found


def _coco_names(metric: Any) -> Iterator[str]:
    """Names of the precisions that a COCO metric is asked for; of another metric none."""
    # By name: whoever has no detectors need not have mmdet.
    if 'CocoMetric' not in {kind.__name__ for kind in type(metric).__mro__} or metric.format_only:
        return
    for kind in metric.metrics:
        if kind in COCO_KINDS:
            for item in metric.metric_items or COCO_ITEMS:
                yield '/'.join(filter(None, (metric.prefix, f'{kind}_{item}')))
