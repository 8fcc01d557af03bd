"""mmdet's detectors of one stage."""

from __future__ import annotations

from torch import nn

from nasvit_mm.dense.kinds.base import Forward
from nasvit_mm.dense.kinds.detectors import AnyDetector
from nasvit_mm.registry import KINDS


@KINDS.register_module()
class OneStage(AnyDetector):
    """mmdet's detectors of one dense head with class scores by a sigmoid (RetinaNet, FCOS).

    The logits are maps of every level as choices between a class and not the class,
    (N, 2, anchors * classes, H, W): their softmax is the sigmoid.
    """

    parts = ('bbox_head',)

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        head = getattr(model, 'bbox_head', None)
        if not super().fits(model) or head is None or getattr(model, 'roi_head', None) is not None:
            return False
        from mmdet.models import SingleStageDetector
        from mmdet.models.dense_heads.base_dense_head import BaseDenseHead

        return (
            # Of others (with masks, queries, teachers) the box head is not the whole loss.
            type(model).loss is SingleStageDetector.loss
            and getattr(type(head), 'loss', None) is BaseDenseHead.loss
            and bool(getattr(head, 'use_sigmoid_cls', False))
        )

    def prediction_fn(self, model: nn.Module, size: tuple[int, int]) -> Forward:
        return lambda model, images: model(images, mode='tensor')
