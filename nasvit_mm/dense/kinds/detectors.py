"""mmdet's detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from nasvit_mm.dense.kinds.answers import Answers, answers_of
from nasvit_mm.dense.kinds.base import Forward, ModelKind, derives
from nasvit_mm.dense.kinds.choosing import MORE, named, numbers, predict
from nasvit_mm.dense.kinds.drawing import Draw, Drawing, objects
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import KINDS


@KINDS.register_module()
class Detector(ModelKind):
    """mmdet's detectors, instance and panoptic segmentors.

    They are counted by their own ``predict`` with as many regions, queries and instances as it
    takes at most (see `choosing.py`).
    """

    predicts = 'boxes'
    parts = ('bbox_head', 'rpn_head', 'roi_head', 'mask_head', 'panoptic_head')
    takes = ('bbox_head', 'rpn_head', 'mask_head', 'panoptic_head')
    class_heads = ('bbox_head', 'roi_head.bbox_head', 'mask_head')
    writes = ('detections', 'preds')
    trains_only = ModelKind.trains_only | {
        'mask_head.segm_branch',  # YOLACT's
        'teacher_backbone',  # and the others of LAD
        'teacher_neck',
        'teacher_bbox_head',
    }

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        return derives(model, 'mmdet', 'BaseDetector')

    def answers(self, model: nn.Module) -> Answers | None:
        """See :func:`answers_of`."""
        return answers_of(model)

    def training_parts(self, model: nn.Module) -> frozenset[str]:
        """See the base; QueryInst predicts by the masks of its last stage, and DDQ DETR has heads
        for its dense queries.
        """
        found = set(self.trains_only)
        roi, head = getattr(model, 'roi_head', None), getattr(model, 'bbox_head', None)
        if named(roi, ['SparseRoIHead']) and roi.with_mask:
            found |= {f'roi_head.mask_head.{stage}' for stage in range(roi.num_stages - 1)}
        if named(head, ['DDQDETRHead']):
            last = len(head.cls_branches) - 1
            found |= {f'bbox_head.{kind}_branches.{last}' for kind in ('cls', 'reg')}
            found |= {'bbox_head.aux_cls_branches', 'bbox_head.aux_reg_branches'}
        return frozenset(found)

    def prediction_fn(self, model: nn.Module, size: tuple[int, int]) -> Forward:
        """See the base; the outputs are those of all heads."""
        from mmdet.models import SingleStageDetector
        from mmdet.models.dense_heads.base_dense_head import BaseDenseHead

        if (
            type(model).predict is SingleStageDetector.predict
            and getattr(type(model.bbox_head), 'predict', None) is BaseDenseHead.predict
            and not named(model.bbox_head, MORE)
        ):
            # One dense head, whose outputs are chosen from: their number of images may stay free.
            return lambda model, images: model(images, mode='tensor')
        return lambda model, images: predict(model, images, size)

    def counted_with(self, model: nn.Module) -> dict[str, int]:
        """Return the numbers of queries, regions and instances of an image."""
        return numbers(model)

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
    def drawer(cls, cfg: Config, weights: str, how: Drawing) -> Draw:
        """See the base."""
        return objects(cfg, weights, how)
