"""A detector's boxes with shapes that do not depend on the image, which graphs need.

mmdet's heads choose candidates by a threshold on their scores, and give as many boxes as are left:
shapes that no exporter can know.  While a prediction is traced, the functions that choose are
replaced by ones that take a fixed number of the best and set the scores of those that would have
been dropped to 0.  The boxes with a score are the same: :func:`check_held` compares them.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torchvision.ops import nms

from nasvit_mm.dense import image_meta
from nasvit_mm.deploy.exporting import reason
from nasvit_mm.deploy.masks import mask_form, masks_replaced
from nasvit_mm.deploy.matching import CLOSE, Objects, matched
from nasvit_mm.deploy.pasting import pasted
from nasvit_mm.deploy.regions import regions_replaced
from nasvit_mm.errors import UsageError

NO_LIMIT = 1000  # candidates of a level where the config sets no limit
OF_REGIONS = 5000  # candidates of a second stage, all regions and classes (as MMDeploy has it)
ENOUGH = 100  # boxes of an image, as COCO's metric takes them at most
HELD = 0.9  # share of boxes: where candidates are equally good, NMS may keep another
MASK_TOLERANCE = 0.01  # share of pixels


def detections(model: nn.Module, images: Tensor, size: tuple[int, int]) -> tuple[Tensor, ...]:
    """Return boxes (N, M, 4), scores (N, M), labels (N, M) of normalised images (N, 3, H, W).

    Of an instance segmentor also masks (N, M, h, w): see :mod:`nasvit_mm.deploy.masks`.

    Args:
        model: mmdet's detector.
        size: (height, width) in pixels of the images before they were padded: boxes end there.

    Raises:
        UsageError: its head chooses boxes in a way that has no fixed shape.
    """
    with fixed_shapes(model):
        parts = _predicted(model, images, size)
    found = (
        torch.stack([part.bboxes for part in parts]),
        torch.stack([part.scores for part in parts]),
        torch.stack([part.labels for part in parts]).to(torch.int32),
    )
    if mask_form(model) is None:
        return found
    return *found, torch.stack([part.masks for part in parts])


def check_held(model: nn.Module, images: Tensor, size: tuple[int, int]) -> None:
    """Check that the boxes of fixed number, and their masks, are those that a detector predicts.

    Args:
        images: normalised, (N, 3, H, W).
        size: see :func:`detections`.

    Raises:
        UsageError: they are not, or cannot be told; names the head.
    """
    refused = f'{head_name(model)} cannot be deployed: '
    with torch.inference_mode():
        try:
            wanted = _predicted(model, images, size)
            found = detections(model, images, size)
        except UsageError:
            raise
        except Exception as error:  # of a head's own code, which meets values that it did not know
            raise UsageError(
                f'{refused}its choice of boxes has no form of a fixed number ({reason(error)})'
            ) from error
    form, padded = mask_form(model), tuple(images.shape[2:])
    same, of = 0, 0
    for index, own in enumerate(wanted):
        if lost := {*own.keys()} & ({'mask_scores'} if form else {'mask_scores', 'masks'}):
            raise UsageError(
                f'{refused}it predicts {" and ".join(sorted(lost))}, in a form that graphs do not '
                f'hold; of masks those of FCNMaskHead and RTMDetInsHead are known'
            )
        boxes, scores, labels, *masks = (values[index] for values in found)
        if not _same_scores(scores, own.scores):
            raise UsageError(
                f'{refused}with a fixed number of boxes it gives other scores than without'
            )
        most = int((scores > 0).sum())
        surest = own.scores.argsort(descending=True)[: max(most, ENOUGH)]
        both, either = matched(
            Objects(*(values.numpy() for values in (boxes, scores, labels))),
            Objects(*(own[key][surest].numpy() for key in ('bboxes', 'scores', 'labels'))),
            CLOSE,
        )
        same, of = same + both, of + either
        if form is not None:
            drawn = pasted(
                masks[0][scores > 0].numpy(),
                boxes[scores > 0].numpy(),
                dict(form._asdict(), input=padded),
                size[::-1],
            )
            # Of how many objects each pixel is: the same whatever their order is.
            counted = own.masks[:, : size[0], : size[1]].sum(0).numpy()
            if (counted != drawn.sum(0)).mean() > MASK_TOLERANCE:
                raise UsageError(f'{refused}its masks are not drawn as those of {form.covers}s are')
    if same < HELD * of:
        raise UsageError(
            f'{refused}with a fixed number of boxes {of - same} of {of} boxes or labels are others '
            'than without'
        )


def _same_scores(found: Tensor, wanted: Tensor) -> bool:
    """Return whether scores, 0 where there is no box, are those of a prediction.

    Of very many boxes a graph may hold fewer: the surest.
    """
    found, wanted = (x[x > 0].sort(descending=True).values for x in (found, wanted))
    number = min(len(found), len(wanted))
    rest = [found[number:], *([] if number >= ENOUGH else [wanted[number:]])]
    return torch.allclose(found[:number], wanted[:number], atol=CLOSE.score, rtol=0) and not any(
        (left > CLOSE.score).any() for left in rest
    )


def head_name(model: nn.Module) -> str:
    """Return how a detector's head is called, for messages."""
    names = 'roi_head', 'bbox_head', 'mask_head', 'panoptic_head'
    head = next((h for name in names if (h := getattr(model, name, None)) is not None), model)
    return f'the head {type(head).__name__} of {type(model).__name__}'


def _predicted(model: nn.Module, images: Tensor, size: tuple[int, int]) -> list[InstanceData]:
    from mmdet.structures import DetDataSample

    meta = image_meta(tuple(images.shape[2:])) | dict(img_shape=size, ori_shape=size)
    meta['border'] = (0, size[0], 0, size[1])  # CenterNet's: the image's place in what it sees
    samples = [DetDataSample(metainfo=meta) for _ in range(images.shape[0])]
    found = model.predict(images, samples, rescale=False)
    if not all(hasattr(sample, 'pred_instances') for sample in found):
        raise UsageError(
            f'{head_name(model)} cannot be deployed: it gives no boxes, but '
            f'{", ".join(key for sample in found[:1] for key in sample.keys())}'
        )
    return [sample.pred_instances for sample in found]


# ------------------------------------------------------------------ what is replaced
@contextmanager
def fixed_shapes(model: nn.Module) -> Iterator[None]:
    """Let a detector choose fixed numbers of candidates while the block runs."""
    smallest = -1.0
    with ExitStack() as stack:
        for head in model.modules():
            cfg = getattr(head, 'test_cfg', None)
            if isinstance(cfg, Mapping) and cfg.get('min_bbox_size', -1) >= 0:
                smallest = max(smallest, cfg['min_bbox_size'])
                changed = copy.deepcopy(cfg)
                changed['min_bbox_size'] = -1  # `_batched_nms` does it, and drops nothing
                stack.enter_context(patch.object(head, 'test_cfg', changed))
            for kind in type(head).__mro__:
                if kind.__name__ in CHOOSING:
                    for name, value in CHOOSING[kind.__name__](head).items():
                        stack.enter_context(patch.object(head, name, value))
        replaced = {
            'filter_scores_and_topk': _best,
            'batched_nms': partial(_batched_nms, smallest),
            'multiclass_nms': _multiclass_nms,
        }
        for module in _modules_of(model):
            for name in replaced.keys() & vars(module).keys():
                stack.enter_context(patch.object(module, name, replaced[name]))
        stack.enter_context(regions_replaced(model))
        stack.enter_context(masks_replaced(model))
        yield


def _modules_of(model: nn.Module) -> set[Any]:
    """Return the Python modules of the classes that a detector's heads are made of."""
    return {
        sys.modules[base.__module__]
        for head in model.modules()
        for base in type(head).__mro__
        if base.__module__.startswith('mmdet.')
    }


def _best(
    scores: Tensor, score_thr: float, topk: int, results: Any = None
) -> tuple[Tensor, Tensor, Tensor, Any]:
    """Stand for mmdet's ``filter_scores_and_topk``, with the number of candidates fixed."""
    flat = scores.flatten()  # (anchors * classes,)
    number = min(topk if topk > 0 else NO_LIMIT, flat.shape[0])
    values, index = flat.topk(number)
    kept, labels = index // scores.shape[1], index % scores.shape[1]
    values = values * (values > score_thr)
    if isinstance(results, Mapping):
        results = {key: value[kept] for key, value in results.items()}
    elif isinstance(results, list):
        results = [value[kept] for value in results]
    elif results is not None:
        results = results[kept]
    return values, labels, kept, results


def _batched_nms(
    smallest: float,
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    cfg: Mapping | None,
    class_agnostic: bool = False,
) -> tuple[Tensor, Tensor]:
    """Stand for mmcv's ``batched_nms``: as many places as boxes, the dropped ones with score 0.

    The box of a dropped one is the best again, which a second stage gives nothing new.

    Args:
        smallest: boxes of no more pixels in width or height are dropped; -1: none.
    """
    cfg = dict(cfg or dict(type='nms', iou_threshold=1.0))
    if cfg.get('type', 'nms') != 'nms':
        raise UsageError(
            f'the config asks for {cfg["type"]!r}, and graphs hold plain non-maximum suppression: '
            "set the nms of the model's test_cfg to dict(type='nms', iou_threshold=0.6)"
        )
    sides = boxes[:, 2:] - boxes[:, :2]
    scores = scores * (sides > smallest).all(1)
    apart = boxes
    if not cfg.get('class_agnostic', class_agnostic):
        apart = boxes + (labels.to(boxes) * (boxes.max() + 1))[:, None]
    kept = nms(apart, scores, cfg.get('iou_threshold', cfg.get('iou_thr', 0.5)))
    number = boxes.shape[0]
    places = torch.cat([kept, kept.new_zeros(number)])[:number]
    real = torch.arange(number, device=boxes.device) < kept.shape[0]
    real = real & (scores[places] > 0)
    places = torch.where(real, places, places[:1])
    return torch.cat([boxes[places], (scores[places] * real)[:, None]], 1), places


def _multiclass_nms(
    boxes: Tensor,
    scores: Tensor,
    score_thr: float,
    nms_cfg: Mapping,
    max_num: int = -1,
    score_factors: Tensor | None = None,
    return_inds: bool = False,
    box_dim: int = 4,
) -> tuple[Tensor, ...]:
    """Stand for mmdet's ``multiclass_nms``, with the number of candidates fixed.

    Args:
        boxes: (regions, 4) or (regions, classes * 4).
        scores: (regions, classes + 1), the last the background's.
    """
    classes = scores.shape[1] - 1
    best, labels, regions, _ = _best(
        scores[:, :-1], score_thr, min(OF_REGIONS, scores.shape[0] * classes)
    )
    if score_factors is not None:
        best = best * score_factors[regions]
    index = regions * classes + labels
    own = boxes.shape[1] > box_dim  # a box a class
    candidates = boxes.reshape(-1, box_dim)[index if own else regions]
    found, kept = _batched_nms(-1.0, candidates, best, labels, nms_cfg)
    limit = max_num if max_num > 0 else len(kept)
    found, kept = found[:limit], kept[:limit]
    return (found, labels[kept], index[kept]) if return_inds else (found, labels[kept])


# ---------------------------------------------------- heads with thresholds of their own
def _yolov3(head: nn.Module) -> dict[str, Callable]:
    """Give no class a score where the objectness is below the threshold, and drop nothing."""
    cfg = copy.deepcopy(head.test_cfg)
    least, cfg['conf_thr'] = cfg.get('conf_thr', -1), -1
    inner = head.predict_by_feat

    def predict_by_feat(maps: Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:
        masked = []
        for x in maps:
            # (N, anchors * width, H, W) -> (N, anchors, width, H, W)
            x = x.unflatten(1, (-1, head.num_attrib))
            sure = x[:, :, 4:5].sigmoid() >= least
            classes = torch.where(sure, x[:, :, 5:], -1e4)
            masked.append(torch.cat([x[:, :, :5], classes], 2).flatten(1, 2))
        return inner(masked, *args, **kwargs)

    return dict(predict_by_feat=predict_by_feat, test_cfg=cfg)


def _yolox(head: nn.Module) -> dict[str, Callable]:
    """Choose by :func:`_best` among the best class of each place."""

    def predict_by_feat(
        scores: Sequence[Tensor],
        boxes: Sequence[Tensor],
        objectness: Sequence[Tensor],
        batch_img_metas: Sequence[dict],
        cfg: Mapping | None = None,
        **kwargs: Any,
    ) -> list[InstanceData]:
        cfg = head.test_cfg if cfg is None else cfg
        sizes = [level.shape[2:] for level in scores]
        priors = head.prior_generator.grid_priors(sizes, device=scores[0].device, with_stride=True)
        scores, boxes, objectness = (
            torch.cat([x.flatten(2).transpose(1, 2) for x in levels], 1)  # (N, places, width)
            for levels in (scores, boxes, objectness)
        )
        boxes = head._bbox_decode(torch.cat(priors), boxes)
        best, labels = scores.sigmoid().max(2)
        best = best * objectness[..., 0].sigmoid()
        results = []
        for index, meta in enumerate(batch_img_metas):
            values, _, kept, _ = _best(best[index][:, None], cfg.score_thr, -1)
            found = InstanceData(
                scores=values, labels=labels[index][kept], bboxes=boxes[index][kept]
            )
            results.append(head._bbox_post_process(found, cfg, img_meta=meta))
        return results

    return dict(predict_by_feat=predict_by_feat)


# Heads by the names of their classes: what of them is replaced.
CHOOSING: dict[str, Callable[[nn.Module], dict[str, Any]]] = {
    'YOLOV3Head': _yolov3,
    'YOLOXHead': _yolox,
}
