"""mmdet's detectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from nasvit_mm.data import class_names
from nasvit_mm.dense.kinds.answers import Answers, answers_of
from nasvit_mm.dense.kinds.base import Drawing, ModelKind, derives
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import KINDS


@KINDS.register_module()
class AnyDetector(ModelKind):
    """Whatever is a detector of mmdet, counted by its ``mode='tensor'``."""

    parts = ('bbox_head', 'rpn_head', 'roi_head', 'mask_head', 'panoptic_head')
    class_heads = ('bbox_head',)

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        return derives(model, 'mmdet', 'BaseDetector')

    def answers(self, model: nn.Module) -> Answers | None:
        """See :func:`answers_of`."""
        return answers_of(model)

    @classmethod
    def write_results(cls, evaluator: dict[str, Any], folder: str) -> None:
        """Have the metric write boxes and masks in COCO's JSON."""
        if not evaluator['type'].endswith(('CocoMetric', 'CocoPanopticMetric')):
            raise UsageError(
                f'--out: {evaluator["type"]} writes no detections, CocoMetric does: set '
                'test_evaluator to it, or leave --out out'
            )
        Path(folder).mkdir(parents=True, exist_ok=True)
        evaluator['outfile_prefix'] = str(Path(folder, 'detections'))

    @classmethod
    def draw(
        cls, cfg: Config, weights: str, images: str | Sequence[str], out_dir: str, how: Drawing
    ) -> str:
        """Draw boxes by mmdet's ``DetInferencer``; see the base."""
        from mmdet.apis import DetInferencer

        inferencer = DetInferencer(cfg, weights, device=how.device)
        inferencer.model.dataset_meta.update(class_names(cfg))  # weights alone say nothing of them
        inferencer.visualizer.dataset_meta = inferencer.model.dataset_meta
        inferencer(
            images,
            out_dir=out_dir,
            pred_score_thr=how.score,
            show=how.show,
            no_save_pred=False,
            print_result=False,
        )
        return f'detections: {Path(out_dir, "preds")}'
