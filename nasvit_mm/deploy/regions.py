"""The regions of a two-stage detector, cut out of maps without asking which level holds which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from mmcv.ops.point_sample import generate_grid, point_sample, rel_roi_point_to_rel_img_point
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torchvision.ops import roi_align

from nasvit_mm.errors import UsageError

FINE, CONTEXT = '_get_fine_grained_point_feats', '_fuse_glbctx'  # of PointRend's and SCNet's heads


@contextmanager
def regions_replaced(model: nn.Module) -> Iterator[None]:
    """Cut regions by torchvision's RoIAlign, which exporters know, from every level.

    mmdet takes the regions of each level apart, in numbers that depend on the image.  Here each
    level is asked for all regions, and each region takes what its own level says.

    Raises:
        UsageError: a layer cuts by another rule.
    """
    with ExitStack() as stack:
        for module in model.modules():
            if hasattr(module, FINE):
                stack.enter_context(patch.object(module, FINE, partial(_fine_features, module)))
            if hasattr(module, CONTEXT):
                stack.enter_context(patch.object(module, CONTEXT, _with_context))
            if hasattr(module, 'regress_by_class'):
                stack.enter_context(
                    patch.object(module, 'refine_bboxes', partial(_refined, module))
                )
            for layer in getattr(module, 'roi_layers', ()):
                kind = type(layer).__name__
                if kind not in ('RoIAlign', 'SimpleRoIAlign') or (
                    getattr(layer, 'pool_mode', 'avg') != 'avg'
                ):
                    raise UsageError(
                        f'graphs cut regions by RoIAlign, and {type(module).__name__} has a '
                        f"{kind}: set its roi_layer to dict(type='RoIAlign', output_size=7, "
                        'sampling_ratio=0)'
                    )
                cut = _aligned if kind == 'RoIAlign' else _sampled
                stack.enter_context(patch.object(layer, 'forward', partial(cut, layer)))
            if any(base.__name__ == 'SingleRoIExtractor' for base in type(module).__mro__):
                stack.enter_context(patch.object(module, 'forward', partial(_extracted, module)))
        yield


def _aligned(layer: nn.Module, maps: Tensor, regions: Tensor) -> Tensor:
    """Return (regions, C, h, w) of maps (N, C, H, W), for regions (regions, 5)."""
    return roi_align(
        maps, regions, layer.output_size, layer.spatial_scale, layer.sampling_ratio, layer.aligned
    )


def _sampled(layer: nn.Module, maps: Tensor, regions: Tensor) -> Tensor:
    """Stand for mmcv's ``SimpleRoIAlign.forward``."""
    points = generate_grid(len(regions), layer.output_size, device=regions.device)
    found = _at_points(maps, regions, points, layer.spatial_scale, not layer.aligned)
    return found.reshape(len(regions), maps.shape[1], *layer.output_size)


def _fine_features(
    head: nn.Module, x: Sequence[Tensor], rois: Tensor, rel_roi_points: Tensor
) -> Tensor:
    """Stand for ``_get_fine_grained_point_feats`` of PointRend's head, (N * R, C, points)."""
    extractor = head.mask_roi_extractor
    strides = extractor.featmap_strides[: extractor.num_inputs]
    found = [_at_points(maps, rois, rel_roi_points, 1 / stride) for maps, stride in zip(x, strides)]
    return torch.cat(found, 1)


def _with_context(roi_feats: Tensor, glbctx_feat: Tensor, rois: Tensor) -> Tensor:
    """Stand for ``_fuse_glbctx`` of SCNet's head."""
    return roi_feats + glbctx_feat[rois[:, 0].long()]


def _refined(
    head: nn.Module,
    sampling_results: Sequence[InstanceData],
    bbox_results: Mapping[str, Any],
    batch_img_metas: Sequence[Mapping[str, Any]],
) -> list[InstanceData]:
    """Stand for ``refine_bboxes`` of mmdet's heads in a prediction: as many boxes of each image."""
    scores = bbox_results['cls_score'][:, : head.num_classes]  # without the background
    labels = bbox_results['bbox_targets'][0]
    labels = torch.where(labels == head.num_classes, scores.argmax(1), labels)
    parts = (bbox_results['rois'][:, 1:], labels, bbox_results['bbox_pred'])
    by_image = zip(*(part.unflatten(0, (len(batch_img_metas), -1)) for part in parts))
    return [
        InstanceData(bboxes=head.regress_by_class(*own, meta))
        for own, meta in zip(by_image, batch_img_metas, strict=True)
    ]


def _at_points(
    maps: Tensor, regions: Tensor, points: Tensor, scale: float, align_corners: bool = False
) -> Tensor:
    """Return what is in maps (N, C, H, W) at points of regions, (N * R, C, points).

    mmdet asks of every image whether it has regions; a graph cannot.

    Args:
        regions: as many of each image, image by image, (N * R, 5).
        points: inside each region, from 0 to 1, (N * R, points, 2).
        scale: of the maps.
    """
    there = rel_roi_point_to_rel_img_point(regions, points, maps.shape[2:], scale)
    there = there.reshape(len(maps), -1, 2)  # (N, R * points, 2)
    found = point_sample(maps, there, align_corners=align_corners)  # (N, C, R * points)
    found = found.unflatten(2, (-1, points.shape[1]))  # (N, C, R, points)
    return found.transpose(1, 2).flatten(0, 1)


def _extracted(
    extractor: nn.Module,
    maps: Sequence[Tensor],
    regions: Tensor,
    roi_scale_factor: float | None = None,
) -> Tensor:
    """Stand for mmdet's ``SingleRoIExtractor.forward``."""
    if len(maps) == 1:
        return extractor.roi_layers[0](maps[0], regions)
    levels = extractor.map_roi_levels(regions, len(maps))  # (regions,)
    if roi_scale_factor is not None:
        regions = extractor.roi_rescale(regions, roi_scale_factor)
    found = 0.0
    for level, (layer, x) in enumerate(zip(extractor.roi_layers, maps)):
        own = (levels == level)[:, None, None, None]
        found = torch.where(own, layer(x, regions), found)
    return found  # (regions, C, h, w)
