"""Running what a detector of mmdet predicts by, as far as it computes: nothing is chosen."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData
from torch import Tensor, nn

from nasvit_mm.dense.kinds.base import image_meta

REGIONS = 1000  # proposals of a detector that takes them from a file, as mmdet's own configs do
INSTANCES = 100  # of an image, where test_cfg names no limit (max_per_img)


def predict(model: nn.Module, images: Tensor, size: tuple[int, int]) -> list[Any]:
    """Run a detector's own ``predict`` with as many regions and instances as it takes at most.

    What chooses among boxes and masks, and what cuts regions out of maps, depends on values and
    counts nothing: each region is the whole image instead.  Proposals, boxes and masks are as many
    as ``max_per_img`` of the `test_cfg` of proposals and of boxes; queries are those of the head.

    Args:
        images: (N, 3, H, W).
        size: (height, width) of the images.

    Returns:
        What every head gave the code that chooses, or what is predicted where none did: tensors,
        or nested ones.
    """
    from mmdet.structures import DetDataSample

    samples = [DetDataSample(metainfo=image_meta(size)) for _ in range(images.shape[0])]
    if getattr(model, 'roi_head', None) is not None and getattr(model, 'rpn_head', None) is None:
        for sample in samples:
            sample.proposals = _instances(REGIONS, sample.metainfo, images)
    outputs: list[Any] = []
    with _all_chosen(model, outputs):
        model.predict(images, samples, rescale=False)
    return outputs


def numbers(model: nn.Module) -> dict[str, int]:
    """Return how many ``queries``, ``regions`` and ``instances`` of an image `predict` takes, those
    that the model has.
    """
    roi, rpn = (getattr(model, name, None) for name in ('roi_head', 'rpn_head'))
    heads = [getattr(model, name, None) for name in ('bbox_head', 'mask_head', 'panoptic_head')]
    asked = next((m.num_queries for m in (model, *heads) if hasattr(m, 'num_queries')), None)
    if hasattr(rpn, 'num_proposals'):  # Sparse R-CNN's, which learns them
        asked = rpn.num_proposals
    found = {} if asked is None else dict(queries=asked)
    if roi is not None and asked is None:
        found['regions'] = REGIONS if rpn is None else _most(rpn.test_cfg)
        if roi.with_mask:
            found['instances'] = _most(roi.test_cfg)
    masks = next((head for head in heads if head is not None and named(head, MORE)), None)
    if masks is not None:
        found['instances'] = _most(masks.test_cfg)
    return found


def _most(test_cfg: Any) -> int:
    return (test_cfg or {}).get('max_per_img', INSTANCES)


@contextlib.contextmanager
def _all_chosen(model: nn.Module, outputs: list[Any]) -> Iterator[None]:
    """Replace, in this context, what a detector chooses by; outputs of heads are appended."""
    # (mmcv.ops has a function by the name of the module.)
    deformed = importlib.import_module('mmcv.ops.deform_roi_pool')
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
    from mmdet.models.seg_heads.panoptic_fusion_heads.base_panoptic_fusion_head import (
        BasePanopticFusionHead,
    )

    def fused(*args: Any, **kwargs: Any) -> None:
        outputs.extend(_tensors([*args, *kwargs.values()]))

    with contextlib.ExitStack() as stack:

        def put(owner: Any, name: str, value: Callable[..., Any]) -> None:
            stack.enter_context(mock.patch.object(owner, name, value))

        for module in model.modules():
            if hasattr(module, 'predict_by_feat'):
                put(module, 'predict_by_feat', partial(_chosen, module, outputs))
            if isinstance(module, BasePanopticFusionHead):
                put(module, 'predict', fused)
            if hasattr(module, 'roi_layers'):
                for layer in module.roi_layers:
                    if not any(True for _ in layer.parameters()):
                        put(layer, 'forward', partial(_cut, layer))
            if hasattr(module, '_get_fine_grained_point_feats'):  # PointRend's
                put(module, '_get_fine_grained_point_feats', partial(_points, module))
            if type(module).forward is SingleRoIExtractor.forward:
                put(module, 'forward', partial(_extracted, module))
        put(deformed, 'deform_roi_pool', _cut_deformed)
        put(model, 'add_pred_to_datasample', partial(_predicted, outputs))
        yield


def _chosen(head: nn.Module, outputs: list[Any], *args: Any, **kwargs: Any) -> list[InstanceData]:
    """Return what a head's ``predict_by_feat`` would: as many instances as it gives at most."""
    given = [*args, *kwargs.values()]
    outputs.extend(_tensors(given))
    for value in given:  # what is known of the boxes already, for which a mask head is asked
        if isinstance(value, list) and value and isinstance(value[0], InstanceData):
            return value
    metas = kwargs.get('batch_img_metas')
    if metas is None:
        metas = next(v for v in given if isinstance(v, list) and v and isinstance(v[0], dict))
    number = _most(kwargs.get('rcnn_test_cfg') or getattr(head, 'test_cfg', None))
    maps = next(_flat(given))
    found = [_instances(number, meta, maps) for meta in metas]
    for name in named(head, MORE):
        for index, instances in enumerate(found):
            masks = MORE[name](head, instances, index, *args, **kwargs)
            outputs.extend([masks] if torch.is_tensor(masks) else [])
    return found


def _predicted(outputs: list[Any], samples: list[Any], results: Any) -> list[Any]:
    """Keep what is predicted where no head gave anything to code that chooses: the heads of Sparse
    R-CNN choose themselves, always as many.
    """
    if not outputs:
        named = [result.to_dict() for result in results]
        outputs += [torch.stack([r[k] for r in named]) for k in ('bboxes', 'scores')]
    return samples


def named(head: nn.Module, names: Iterable[str]) -> list[str]:
    """Return which of the names are those of a head's classes."""
    return [kind.__name__ for kind in type(head).__mro__ if kind.__name__ in names]


def _instances(number: int, meta: dict[str, Any], like: Tensor) -> InstanceData:
    height, width = meta['img_shape'][:2]
    box = like.new_tensor([[0.0, 0.0, width, height]])
    return InstanceData(
        bboxes=box.repeat(number, 1),
        labels=like.new_zeros(number, dtype=torch.long),
        scores=like.new_ones(number),
    )


def _cut(layer: nn.Module, maps: Tensor, regions: Tensor) -> Tensor:
    """Return (regions, channels, h, w) of maps (N, channels, H, W), each of a whole map."""
    return _cut_deformed(maps, regions, None, layer.output_size)


def _cut_deformed(
    maps: Tensor, regions: Tensor, offset: Tensor | None, output_size: Sequence[int], *args: Any
) -> Tensor:
    """Return what `_cut` does in the place of mmcv's ``deform_roi_pool``."""
    whole = F.interpolate(maps, size=tuple(output_size), mode='nearest')
    return whole[regions[:, 0].long()]


def _extracted(
    extractor: nn.Module, maps: Any, regions: Tensor, roi_scale_factor: float | None = None
) -> Tensor:
    """Cut an equal share of the regions out of each level, where their size would say which."""
    shares = regions.tensor_split(len(maps))
    if any(x.shape[1] != extractor.out_channels for x in maps):  # as it would when it writes them
        raise RuntimeError(f'regions of {extractor.out_channels} channels of maps of others')
    return torch.cat(
        [layer(x, share) for layer, x, share in zip(extractor.roi_layers, maps, shares)]
    )


def _points(head: nn.Module, x: Any, rois: Tensor, rel_roi_points: Tensor) -> Tensor:
    """Return what maps hold at points of regions, (regions, channels of all maps, points)."""
    channels = sum(maps.shape[1] for maps in x[: head.mask_roi_extractor.num_inputs])
    return x[0].new_zeros(len(rois), channels, rel_roi_points.shape[1])


# ------------------------------------------------------------------ heads that make masks of boxes
def _first(levels: list[Tensor], index: int, number: int, width: int) -> Tensor:
    """Return what the first anchors of all levels say of an image, (number, width).

    Args:
        levels: (N, anchors * width, H, W) each.
    """
    found = torch.cat([level[index].flatten(1).T.reshape(-1, width) for level in levels])
    return found.repeat(-(-number // len(found)), 1)[:number]


def _condinst(
    head: nn.Module,
    found: InstanceData,
    index: int,
    scores: Any,
    boxes: Any,
    factors: Any,
    params: list[Tensor],
    **kwargs: Any,
) -> None:
    found.param_preds = _first(params, index, len(found), head.num_params)
    found.points = found.bboxes[:, :2]
    found.strides = found.scores


def _yolact(
    head: nn.Module,
    found: InstanceData,
    index: int,
    scores: Any,
    boxes: Any,
    coefficients: list[Tensor],
    **kwargs: Any,
) -> None:
    found.coeffs = _first(coefficients, index, len(found), head.num_protos)


def _rtmdet(
    head: nn.Module,
    found: InstanceData,
    index: int,
    scores: Any,
    boxes: Any,
    kernels: list[Tensor],
    maps: Tensor,
    **kwargs: Any,
) -> Tensor:
    kernel = _first(kernels, index, len(found), head.num_gen_params)
    return head._mask_predict_by_feat_single(maps[index], kernel, found.bboxes)


def _solov2(
    head: nn.Module,
    found: InstanceData,
    index: int,
    kernels: list[Tensor],
    scores: Any,
    maps: Tensor,
    **kwargs: Any,
) -> Tensor:
    side = head.dynamic_conv_size
    kernel = _first(kernels, index, len(found), head.kernel_out_channels)
    kernel = kernel.view(len(found), -1, side, side)
    return F.conv2d(maps[index : index + 1], kernel)


# Heads by the names of their classes: what a prediction does with the instances that are chosen.
MORE: dict[str, Callable[..., Any]] = {
    'CondInstBboxHead': _condinst,
    'YOLACTHead': _yolact,
    'RTMDetInsHead': _rtmdet,
    'SOLOV2Head': _solov2,
}


# ------------------------------------------------------------------ nested values
def _tensors(value: Any) -> list[Any]:
    """Return the tensors of nested lists and mappings, nested as they are."""
    out = []
    for item in value.values() if isinstance(value, dict) else value:
        if torch.is_tensor(item):
            out.append(item)
        elif isinstance(item, (list, tuple, dict)) and (inner := _tensors(item)):
            out.append(inner)
    return out


def _flat(value: Any) -> Iterator[Tensor]:
    for item in value:
        if torch.is_tensor(item):
            yield item
        elif isinstance(item, (list, tuple)):
            yield from _flat(item)
