"""A model's metrics on a split, also for a detector that finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.evaluator import Evaluator

COCO_ITEMS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
COCO_KINDS = ('bbox', 'segm')


def evaluate_metrics(evaluator: Evaluator, number: int) -> dict[str, float]:
    """Return ``evaluator.evaluate(number)``, completed for a detector that finds nothing.

    mmdet's ``CocoMetric`` leaves its metrics out if no image has a box; they are 0.0 then.

    Args:
        evaluator: an evaluator that has processed all samples.
        number: number of samples.

    Raises:
        ValueError: two metrics have the same name.
    """
    found = {name: float(value) for name, value in evaluator.evaluate(number).items()}
    for metric in evaluator.metrics:
        for name in _coco_names(metric):
            found.setdefault(name, 0.0)
    return found


def _coco_names(metric: Any) -> Iterator[str]:
    """Yield the names of the precisions that a COCO metric computes; none for other metrics."""
    # By name, so that mmdet need not be installed where there are no detectors.
    if 'CocoMetric' not in {kind.__name__ for kind in type(metric).__mro__} or metric.format_only:
        return
    for kind in metric.metrics:
        if kind in COCO_KINDS:
            for item in metric.metric_items or COCO_ITEMS:
                yield '/'.join(filter(None, (metric.prefix, f'{kind}_{item}')))
