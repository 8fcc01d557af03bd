"""mmdet's detectors of one stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from nasvit_mm.dense.kinds.base import StepOutput, summed
from nasvit_mm.dense.kinds.detectors import AnyDetector
from nasvit_mm.registry import KINDS


@KINDS.register_module()
class OneStage(AnyDetector):
    """mmdet's detectors of one dense head with class scores by a sigmoid (RetinaNet, FCOS).

    The logits are maps of every level as choices between a class and not the class,
    (N, 2, anchors * classes, H, W): their softmax is the sigmoid.
    """

    distils = True
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

    def forward(self, model: nn.Module, data: Mapping[str, Any]) -> StepOutput:
        from mmdet.models.utils import unpack_gt_instances

        outputs = model.bbox_head(model.extract_feat(data['inputs']))
        instances, ignored, metas = unpack_gt_instances(data['data_samples'])
        losses = model.bbox_head.loss_by_feat(*outputs, instances, metas, ignored)
        loss = summed(losses)
        classes = summed({k: v for k, v in losses.items() if 'cls' in k})
        return StepOutput(
            tuple(torch.stack([z, torch.zeros_like(z)], 1) for z in outputs[0]),
            loss,
            loss - classes,
            rare=True,
        )
