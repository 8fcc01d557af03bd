"""mIoU that keeps what it comes from, image by image; for bootstrap.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS


@METRICS.register_module()
class PerImageIoU(IoUMetric):
    """IoUMetric that writes the areas of intersection and union of each image and class.

    Args:
        out: folder; every evaluation adds N.npy, (images, 2, classes).
    """

    def __init__(self, *args: Any, out: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.out = Path(out)

    def compute_metrics(self, results: list) -> dict[str, float]:
        self.out.mkdir(parents=True, exist_ok=True)
        areas = np.array([[np.asarray(area) for area in result[:2]] for result in results])
        np.save(self.out / f'{len(list(self.out.glob("*.npy")))}.npy', areas)
        return super().compute_metrics(results)
