"""MACs of operations that torch's counter does not see: those of mmcv and torchvision."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from torch import Tensor


def formulas() -> dict[Any, Callable[..., int]]:
    """Return the formulas of operations, by operation, in what torch's counter counts: two for
    each MAC.

    A deformable convolution counts as the plain one of its weight: that its inputs are sampled
    between pixels counts nothing, as no interpolation does.
    """
    import torch
    import torchvision  # registers its operations

    def deform_conv(_: Any, weight: list[int], *rest: Any, out_shape: Any, **more: Any) -> int:
        return 2 * math.prod(out_shape) * math.prod(weight[1:])

    assert torchvision
    return {torch.ops.torchvision.deform_conv2d: deform_conv}


@contextlib.contextmanager
def visible(add: Callable[[int], None]) -> Iterator[None]:
    """Run mmcv's operations with weights, in this context, as ones that are counted.

    Their compiled forms run on no meta device and hide what they do.  Deformable convolutions run
    as torchvision's, masked ones as plain ones: at most every place is asked for.  What has no
    such form calls `add` with the MACs of its weighted sums: multi-scale deformable attention one
    for each query, level, point and channel, CARAFE one for each output and place of its kernel.
    """
    attention = sys.modules.get('mmcv.ops.multi_scale_deform_attn')
    original = getattr(attention, 'multi_scale_deformable_attn_pytorch', None)

    def attended(value: Tensor, shapes: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
        # value (N, cells, heads, width), weights (N, queries, heads, levels, points)
        add(weights.numel() * value.shape[-1])
        return original(value, shapes, locations, weights)

    def attended_compiled(
        ctx: Any, value: Tensor, shapes: Tensor, starts: Tensor, *rest: Any
    ) -> Tensor:
        return attended(value, shapes, *rest[:2])

    def reassembled(
        ctx: Any, x: Tensor, masks: Tensor, kernel: int, groups: int, scale: int
    ) -> Tensor:
        out = x.new_zeros(*x.shape[:2], *masks.shape[2:])
        add(out.numel() * kernel**2)
        return out

    forwards = {
        ('deform_conv', 'DeformConv2dFunction'): _deformable,
        ('modulated_deform_conv', 'ModulatedDeformConv2dFunction'): _modulated,
        ('masked_conv', 'MaskedConv2dFunction'): _unmasked,
        ('carafe', 'CARAFEFunction'): reassembled,
        ('carafe', 'CARAFENaiveFunction'): reassembled,
        ('multi_scale_deform_attn', 'MultiScaleDeformableAttnFunction'): attended_compiled,
    }
    with contextlib.ExitStack() as stack:
        for (file, name), forward in forwards.items():
            module = sys.modules.get(f'mmcv.ops.{file}')  # no model has what is not imported
            if module is not None:
                function = getattr(module, name)
                stack.enter_context(mock.patch.object(function, 'forward', staticmethod(forward)))
        if attention is not None:
            stack.enter_context(mock.patch.object(attention, original.__name__, attended))
        yield


def _deformable(ctx: Any, x: Tensor, offset: Tensor, weight: Tensor, *steps: Any) -> Tensor:
    """Run DeformConv2dFunction; steps: stride, padding, dilation, and what shapes tell."""
    return _deform_conv2d(x, offset, None, weight, None, *steps[:3])


def _modulated(
    ctx: Any,
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *steps: Any,
) -> Tensor:
    return _deform_conv2d(x, offset, mask, weight, bias, *steps[:3])


def _deform_conv2d(
    x: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
) -> Tensor:
    from torchvision.ops import deform_conv2d

    stride, padding, dilation = map(_pair, (stride, padding, dilation))
    height, width = (
        (n + 2 * pad - gap * (side - 1) - 1) // step + 1
        for n, side, step, pad, gap in zip(
            x.shape[-2:], weight.shape[-2:], stride, padding, dilation
        )
    )
    # DyHead gives maps of offsets larger than the output.
    offset, mask = (m if m is None else m[..., :height, :width] for m in (offset, mask))
    return deform_conv2d(x, offset, weight, bias, stride, padding, dilation, mask)


def _unmasked(
    ctx: Any,
    x: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    import torch.nn.functional as F

    return F.conv2d(x, weight, bias, stride, padding)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
