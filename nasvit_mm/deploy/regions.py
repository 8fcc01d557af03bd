"""The regions of a two-stage detector, cut out of maps without asking which level holds which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from nasvit_mm.errors import UsageError


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
                if kind == 'RoIAlign':
                    stack.enter_context(patch.object(layer, 'forward', partial(_aligned, layer)))
            if any(base.__name__ == 'SingleRoIExtractor' for base in type(module).__mro__):
                stack.enter_context(patch.object(module, 'forward', partial(_extracted, module)))
        yield


def _aligned(layer: nn.Module, maps: Tensor, regions: Tensor) -> Tensor:
    """Return (regions, C, h, w) of maps (N, C, H, W), for regions (regions, 5)."""
    return roi_align(
        maps, regions, layer.output_size, layer.spatial_scale, layer.sampling_ratio, layer.aligned
    )


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
