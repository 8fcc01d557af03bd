"""mmdet's detectors of two stages."""

from __future__ import annotations

from torch import nn

from nasvit_mm.dense.kinds.detectors import AnyDetector
from nasvit_mm.registry import KINDS


@KINDS.register_module()
class TwoStage(AnyDetector):
    """mmdet's detectors of two stages (Faster and Mask R-CNN): labels only."""

    parts = ('roi_head',)
    class_heads = ('roi_head.bbox_head',)

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        return super().fits(model) and getattr(model, 'roi_head', None) is not None
