"""mmdet's detectors of two stages."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from nasvit_mm.dense.kinds.base import Forward
from nasvit_mm.dense.kinds.detectors import AnyDetector
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import KINDS


@KINDS.register_module()
class TwoStage(AnyDetector):
    """mmdet's detectors of two stages (Faster and Mask R-CNN).

    As many regions are counted as a prediction takes at most; selecting and cutting them out
    counts nothing.
    """

    parts = ('roi_head',)
    class_heads = ('roi_head.bbox_head',)

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        return super().fits(model) and getattr(model, 'roi_head', None) is not None

    def prediction_fn(self, model: nn.Module, size: tuple[int, int]) -> Forward:
        roi = model.roi_head
        if isinstance(roi.bbox_head, nn.ModuleList) or getattr(roi, 'with_shared_head', False):
            raise UsageError(
                f'the prediction of {type(roi).__name__} cannot be run on its own: its regions go '
                'through several heads, or a shared one; register a kind of model that knows how '
                '(CONTRIBUTING.md)'
            )
        return _two_stages


def _two_stages(model: nn.Module, images: Tensor) -> list[Any]:
    maps, roi = model.extract_feat(images), model.roi_head
    out = [model.rpn_head(maps)]
    regions = {'bbox': model.test_cfg.rpn.max_per_img, 'mask': model.test_cfg.rcnn.max_per_img}
    for name, number in regions.items():
        head = getattr(roi, f'{name}_head', None)
        if head is not None:
            side = getattr(roi, f'{name}_roi_extractor').roi_layers[0].output_size
            cut = (number * images.shape[0], maps[0].shape[1], *side)
            out.append(head(maps[0].new_zeros(cut)))
    return out
