"""Top-k accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from nasvit_mm.registry import METRICS


@METRICS.register_module()
class Accuracy(BaseMetric):
    """Measure the share of images whose label is among the k highest scores, in per cent.

    Args:
        topk: the ks; those beyond the number of classes are left out.
    """

    default_prefix = 'accuracy'

    def __init__(self, topk: Sequence[int] = (1, 5), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.topk = tuple(topk)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            order = sample['scores'].topk(min(max(self.topk), len(sample['scores']))).indices
            found = (order == sample['label']).nonzero()
            place = int(found[0]) if len(found) else len(sample['scores'])
            self.results.append((place, len(sample['scores'])))

    def compute_metrics(self, results: list) -> dict[str, float]:
        return {
            f'top{k}': 100.0 * sum(place < k for place, _ in results) / len(results)
            for k in self.topk
            if k < results[0][1]
        }
