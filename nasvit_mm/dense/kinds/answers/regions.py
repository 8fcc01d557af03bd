"""Answers for regions: detectors of two stages and their cascades."""

from __future__ import annotations

import copy
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from nasvit_mm.dense.kinds.answers.base import Answers, Call, definer, heard
from nasvit_mm.dense.kinds.step import Shapes, binary


class Regions(Answers):
    """What the heads of a second stage say of the regions of the first subnet of the step.

    The regions are those that its own assigners and samplers chose: the other subnets' heads are
    trained on them too, so that all answer for the same regions.  Compared are, of the last of
    several stages, the distribution over the classes, (regions, classes + 1), and for regions with
    an object its box and mask.  Boxes are learnt from labels too, and the first stage from labels
    alone.  (Source: Chen et al., Learning Efficient Object Detection Models with Knowledge
    Distillation, NeurIPS 2017, which distils classes and boxes on the teacher's proposals.)
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        roi = model.roi_head
        self.samplers = _listed(roi.bbox_sampler)
        self.head = _listed(roi.bbox_head)[-1]
        mask = _listed(getattr(roi, 'mask_head', None))[-1]
        self.mask = mask if definer(mask, 'loss_and_target') == 'FCNMaskHead' else None

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        head = _listed(getattr(model.roi_head, 'bbox_head', None))[-1]
        return (
            definer(head, 'loss') in {'BBoxHead', 'SABLHead'}
            and not getattr(head, 'custom_activation', False)  # the seesaw loss's
        )

    def listen(self, stack: ExitStack, objects: Any) -> None:
        given = [None] * len(self.samplers) if objects is None else objects
        self.samples = [
            stack.enter_context(heard(sampler, 'sample', results, _copied))
            for sampler, results in zip(self.samplers, given)
        ]
        self.classes = stack.enter_context(heard(self.head, 'loss'))
        self.masks: list[Call] = []
        if self.mask is not None:
            self.masks = stack.enter_context(heard(self.mask, 'loss_and_target'))

    def replaces(self, name: str) -> bool:
        stage = f's{len(self.samplers) - 1}.'
        of = {'loss_cls'} if self.mask is None else {'loss_cls', 'loss_mask'}
        return name.removeprefix(stage) in of

    def read(self, objects: Any) -> dict[str, Any]:
        said = self.classes[-1].arguments
        scores, boxes, labels = said['cls_score'], said['bbox_pred'], said['labels']
        found = ((labels >= 0) & (labels < self.head.num_classes)).nonzero()[:, 0]
        shapes = []
        if torch.is_tensor(boxes):
            # As much as the head's own loss, which is divided by the number of all regions.
            weight = len(found) / max(len(labels), 1)
            shapes.append(_shapes(_of_class(boxes, found, labels[found]), weight=weight))
        for call in self.masks[-1:]:
            masks = call.arguments['mask_preds']  # (M, classes or 1, h, w)
            of = torch.cat([r.pos_gt_labels for r in call.arguments['sampling_results']])
            if masks.shape[1] == 1:
                of = torch.zeros_like(of)
            shapes.append(_shapes(masks[torch.arange(len(of), device=of.device), of], masks=True))
        return dict(
            logits=(binary(scores) if self.head.loss_cls.use_sigmoid else scores,),
            shapes=tuple(shapes),
            objects=[[call.result for call in calls] for calls in self.samples],
        )


def _listed(part: Any) -> list[Any]:
    return list(part) if isinstance(part, (list, nn.ModuleList)) else [part]


def _copied(sampled: Any) -> Any:
    """Copy samples, which heads change: Grid R-CNN moves their boxes."""
    return tuple(map(copy.copy, sampled)) if isinstance(sampled, tuple) else copy.copy(sampled)


def _of_class(boxes: Tensor, rows: Tensor, labels: Tensor) -> Tensor:
    """Return the boxes (M, 4) of M rows, of (regions, 4) or of a class each, (regions, 4 C)."""
    boxes = boxes.unflatten(1, (-1, 4))[rows]
    return (
        boxes[:, 0]
        if boxes.shape[1] == 1
        else boxes[torch.arange(len(rows), device=rows.device), labels]
    )


def _shapes(values: Tensor, masks: bool = False, weight: float = 1.0) -> Shapes:
    return Shapes(values, values.new_ones(len(values)), masks, weight)
