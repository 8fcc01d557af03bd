"""Top-k accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
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
        scores = torch.stack([sample['scores'] for sample in data_samples])  # (N, classes)
        classes = scores.shape[1]
        order = scores.topk(min(max(self.topk), classes)).indices.tolist()  # all that is waited for
        for sample, best in zip(data_samples, order):
            place = best.index(sample['label']) if sample['label'] in best else classes
            self.results.append((place, classes))

    def compute_metrics(self, results: list) -> dict[str, float]:
        return {
            f'top{k}': 100.0 * sum(place < k for place, _ in results) / len(results)
            for k in self.topk
            if k < results[0][1]
        }
