"""Answers of queries: DETR and what came after it, Sparse R-CNN, MaskFormer and Mask2Former."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from nasvit_mm.dense.kinds.answers.base import Answers, definer, heard
from nasvit_mm.dense.kinds.step import Shapes, binary

MATCHED = 100  # queries an image, the surest
BOX_WEIGHT = 5.0  # of a box beside a class in the matching, as in DETR's
MASK_SIDE = 32  # masks are matched at this size


class Found(NamedTuple):
    """What the queries of a subnet found, by which others are matched to them.

    Attributes:
        classes: probabilities, (N, Q, classes).
        boxes: (N, Q, 4) centre and size, as shares of the image; None: masks.
        masks: (N, Q, pixels), probabilities; None: boxes.
    """

    classes: Tensor
    boxes: Tensor | None = None
    masks: Tensor | None = None

    @property
    def certain(self) -> Tensor:
        """Return the probability of an object, (N, Q)."""
        return self.classes.amax(-1)

    def of(self, chosen: Tensor) -> Found:
        """Return what the chosen queries, (N, K), found."""
        return Found(*(None if part is None else _taken(part, chosen) for part in self))


class Queries(Answers):
    """What the queries of the last decoder layer found.

    Of the first subnet of the step the 100 surest queries an image count.  Another subnet's queries
    are matched to them one to one by the Hungarian method, on classes and boxes or masks, the surer
    ones first, for queries that are chosen from the image have no order.  Compared are the class
    distributions of each pair, and its boxes or masks.  All labels stay: which query is right is
    decided by matching them to labels, and the comparison says nothing of the other queries.
    (Source: DETRDistill, ICCV 2023, which matches and adds so; KD-DETR, CVPR 2024, compares queries
    of the same origin.)
    """

    rare = True

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.head, self.said = _reader(model)

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        return _reader(model) is not None

    def listen(self, stack: ExitStack, objects: Any) -> None:
        method = 'loss_and_target' if self.said is _of_stage else 'loss_by_feat'
        self.calls = stack.enter_context(heard(self.head, method))

    def read(self, objects: Found | None) -> dict[str, Any]:
        classes, boxes, masks = self.said(self.head, self.calls[-1].arguments)
        sigmoid = self.head.loss_cls.use_sigmoid
        with torch.no_grad():
            probable = classes.sigmoid() if sigmoid else classes.softmax(-1)[..., :-1]
            found = Found(
                probable.float(),
                None if boxes is None else boxes.float(),
                None if masks is None else _small(masks),
            )
            if objects is None:
                number = min(MATCHED, probable.shape[1])
                chosen = found.certain.topk(number, 1).indices.sort(1).values
                objects = found.of(chosen)
            else:
                chosen = matched(found, objects)
            certain = found.of(chosen).certain.flatten()
        classes = _taken(classes, chosen)  # (N, K, classes)
        shapes = []
        if boxes is not None:
            weight = self.head.loss_bbox.loss_weight
            shapes.append(Shapes(_taken(boxes, chosen).flatten(0, 1), certain, weight=weight))
        if masks is not None:
            weight = self.head.loss_mask.loss_weight
            shapes.append(Shapes(_taken(masks, chosen).flatten(0, 1), certain, True, weight))
        return dict(
            logits=(binary(classes) if sigmoid else classes.movedim(-1, 1),),
            shapes=tuple(shapes),
            objects=objects,
        )


@torch.no_grad()
def matched(found: Found, target: Found) -> Tensor:
    """Match queries to those of another subnet by the Hungarian method.

    Args:
        found: of N images with Q queries each.
        target: of the same images, with K <= Q queries.

    Returns:
        For every query of the target the one that is matched to it, (N, K).
    """
    cost = torch.cdist(target.classes, found.classes, p=1)  # (N, K, Q)
    if target.boxes is not None:
        cost = cost + BOX_WEIGHT * torch.cdist(target.boxes, found.boxes, p=1)
    if target.masks is not None:
        both = target.masks @ found.masks.mT
        sums = target.masks.sum(-1)[..., None] + found.masks.sum(-1)[..., None, :]
        cost = cost + BOX_WEIGHT * (1 - (2 * both + 1) / (sums + 1))  # dice
    cost = (cost * target.certain[..., None]).float().nan_to_num().cpu().numpy()
    rows = [torch.as_tensor(linear_sum_assignment(one)[1]) for one in cost]
    return torch.stack(rows).to(target.classes.device)


def _taken(part: Tensor, chosen: Tensor) -> Tensor:
    """Return rows (N, K, ...) of (N, Q, ...)."""
    images = torch.arange(len(part), device=part.device)[:, None]
    return part[images, chosen]


def _small(masks: Tensor) -> Tensor:
    side = [min(n, MASK_SIDE) for n in masks.shape[-2:]]
    return F.interpolate(masks.float().sigmoid(), side, mode='area').flatten(2)


# ------------------------------------------------------------------ where a head says them
# Each returns class logits (N, Q, channels), boxes (N, Q, 4) or masks (N, Q, h, w) of the arguments
# of the method that computes the head's loss.
def _of_detr(head: nn.Module, said: dict[str, Any]) -> tuple[Tensor, Tensor, None]:
    classes, boxes = said['all_layers_cls_scores'], said['all_layers_bbox_preds']
    meta = said.get('dn_meta')
    if meta is not None:
        classes, boxes, *_ = head.split_outputs(classes, boxes, meta)
        dense = meta.get('num_dense_queries', 0)  # of DDQ, which train only
        number = classes.shape[2] - dense
        classes, boxes = classes[:, :, :number], boxes[:, :, :number]
    return classes[-1], boxes[-1], None


def _of_stage(head: nn.Module, said: dict[str, Any]) -> tuple[Tensor, Tensor, None]:
    sizes = said['imgs_whwh']  # (N, Q, 4)
    shape = sizes.shape[:2]
    boxes = said['bbox_pred'].unflatten(0, shape) / sizes
    corner, opposite = boxes.chunk(2, -1)
    boxes = torch.cat([(corner + opposite) / 2, opposite - corner], -1)
    return said['cls_score'].unflatten(0, shape), boxes, None


def _of_masks(head: nn.Module, said: dict[str, Any]) -> tuple[Tensor, None, Tensor]:
    return said['all_cls_scores'][-1], None, said['all_mask_preds'][-1]


READERS = {  # by the class that defines the method of the loss
    'DETRHead': _of_detr,
    'DeformableDETRHead': _of_detr,
    'DINOHead': _of_detr,
    'DDQDETRHead': _of_detr,
    'DIIHead': _of_stage,
    'MaskFormerHead': _of_masks,
    'Mask2FormerHead': _of_masks,
}


def _reader(model: nn.Module) -> tuple[nn.Module, Any] | None:
    """Return the head that has the queries, and what reads their answers."""
    roi = getattr(model, 'roi_head', None)
    if roi is not None:
        head, method = getattr(roi, 'bbox_head', None), 'loss_and_target'
        head = head[-1] if isinstance(head, nn.ModuleList) else head
    else:
        names = ('panoptic_head', 'decode_head', 'bbox_head')
        head = next((getattr(model, n) for n in names if hasattr(model, n)), None)
        method = 'loss_by_feat'
    reader = None if head is None else READERS.get(definer(head, method))
    return None if reader is None else (head, reader)
