"""mmdet's detectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from nasvit_mm.dense.kinds.base import Forward, ModelKind, StepOutput, derives, summed
from nasvit_mm.dense.kinds.drawing import Draw, Drawing, objects
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import KINDS


@KINDS.register_module()
class AnyDetector(ModelKind):
    """Whatever is a detector of mmdet: labels only, counted by its ``mode='tensor'``."""

    parts = ('bbox_head', 'rpn_head', 'roi_head', 'mask_head', 'panoptic_head')
    class_heads = ('bbox_head',)
    writes = ('detections', 'preds')

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        return derives(model, 'mmdet', 'BaseDetector')

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

    def prediction_fn(self, model: nn.Module, size: tuple[int, int]) -> Forward:
        return lambda model, images: model(images, mode='tensor')


@KINDS.register_module()
class TwoStage(AnyDetector):
    """mmdet's detectors of two stages (Faster and Mask R-CNN): labels only.

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
