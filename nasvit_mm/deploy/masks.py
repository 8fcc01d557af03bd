"""The masks of an instance segmentor, as small as its network makes them.

A graph gives (N, M, h, w) float32 in the network's own resolution: of its boxes (Mask R-CNN: 28 x
28 of each) or of the whole input (RTMDet-Ins: an eighth of it).  In pixels of the input
they would be a hundred maps of the size of the image, a hundred megabytes where it is large; and
mmdet draws them in pixels of the image in its file, which a graph does not know.  Who runs the
graph draws those that it wants: :mod:`nasvit_mm.deploy.pasting`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from mmengine.structures import InstanceData
from torch import Tensor, nn

from nasvit_mm.deploy.artefact import BOX, IMAGE


class MaskForm(NamedTuple):
    """What the numbers of a mask say.

    Attributes:
        covers: :data:`BOX` or :data:`IMAGE`.
        threshold: a pixel above belongs to the object.
    """

    covers: str
    threshold: float


def mask_form(model: nn.Module) -> MaskForm | None:
    """Return what a detector's masks are; None: it makes none."""
    for head in model.modules():
        for kind in type(head).__mro__:
            if kind.__name__ in HEADS:
                return HEADS[kind.__name__].form(head)
    return None


@contextmanager
def masks_replaced(model: nn.Module) -> Iterator[None]:
    """Keep a detector, while the block runs, from drawing its masks in pixels."""
    with ExitStack() as stack:
        for head in model.modules():
            for kind in type(head).__mro__:
                if kind.__name__ in HEADS:
                    name, function = HEADS[kind.__name__].replaced
                    stack.enter_context(patch.object(head, name, partial(function, head)))
                    break
        yield


def _of_boxes(
    head: nn.Module,
    mask_preds: Tensor,
    bboxes: Tensor,
    labels: Tensor,
    activate_map: bool = False,
    **kwargs: Any,
) -> Tensor:
    """Stand for ``FCNMaskHead._predict_by_feat_single``: masks (M, h, w) of the boxes."""
    masks = mask_preds if activate_map else mask_preds.sigmoid()  # (M, classes, h, w)
    if head.class_agnostic:
        return masks[:, 0]
    return masks[torch.arange(len(labels), device=labels.device), labels]


def _of_rtmdet(
    head: nn.Module,
    results: InstanceData,
    mask_feat: Tensor,
    cfg: Any,
    rescale: bool = False,
    with_nms: bool = True,
    img_meta: dict | None = None,
) -> InstanceData:
    """Stand for ``RTMDetInsHead._bbox_mask_post_process``: masks (M, h, w) of the input."""
    from mmdet.models.dense_heads.base_dense_head import BaseDenseHead

    results = BaseDenseHead._bbox_post_process(head, results, cfg, img_meta=img_meta)
    results.masks = head._mask_predict_by_feat_single(mask_feat, results.kernels, results.priors)
    return results


class _Head(NamedTuple):
    form: Callable[[nn.Module], MaskForm]
    replaced: tuple[str, Callable]


def _logit(value: float) -> float:
    return math.log(value / (1 - value))


# Heads by the names of their classes.
HEADS = {
    'FCNMaskHead': _Head(lambda head: MaskForm(BOX, 0.5), ('_predict_by_feat_single', _of_boxes)),
    'RTMDetInsHead': _Head(
        lambda head: MaskForm(IMAGE, _logit(head.test_cfg.mask_thr_binary)),
        ('_bbox_mask_post_process', _of_rtmdet),
    ),
}
