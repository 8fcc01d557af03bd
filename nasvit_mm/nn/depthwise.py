"""Depthwise convolution with a backward pass that is quick on a CPU.

oneDNN's gradient of a depthwise weight falls back to its reference kernel where the kernel is
larger than the map, as in the last stages of any network on small images; to one for full
convolutions, six times as slow, where the kernel is wider than three; and is slower on NCHW than on
channels-last tensors (benchmarks/depthwise.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from nasvit_mm.nn.attention import is_exporting

QUICK = 3  # columns of the widest kernel for which oneDNN has a depthwise gradient


def learns_on_cpu(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Return whether a layer is trained on a CPU, in the type of its weights."""
    learns = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    own = x.device.type == 'cpu' and not torch.is_autocast_enabled('cpu')
    return learns and own and not is_exporting()


def depthwise_conv2d(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, stride: int
) -> torch.Tensor:
    """Compute ``F.conv2d(x, weight, bias, stride, k // 2, groups=C)`` for odd k.

    Args:
        x: (N, C, H, W).
        weight: (C, 1, k, k).
        bias: (C,) or None.

    Returns:
        (N, C, ceil(H / stride), ceil(W / stride)).
    """
    if learns_on_cpu(x, weight):
        return _DepthwiseConv2d.apply(x, weight, bias, stride)
    return F.conv2d(x, weight, bias, stride, weight.shape[-1] // 2, groups=weight.shape[0])


class _DepthwiseConv2d(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, stride: int
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, bias, stride, weight.shape[-1] // 2, groups=weight.shape[0])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple:
        x, weight = (t.contiguous(memory_format=torch.channels_last) for t in ctx.saved_tensors)
        grad = grad.contiguous(memory_format=torch.channels_last)
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        kernel = weight.shape[-1]
        own = of_weight and (kernel > QUICK or min(x.shape[2:]) < kernel)
        mask = (of_x, of_weight and not own)
        gx, gw = _gradients(grad, x, weight, ctx.stride, [kernel // 2] * 2, mask)
        if own:
            how = _by_taps if min(x.shape[2:]) < kernel else _by_columns
            gw = how(grad, x, weight, ctx.stride)
        return gx, gw, grad.sum((0, 2, 3)) if of_bias else None, None


def _gradients(
    grad: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor,
    stride: int,
    padding: Sequence[int],
    mask: tuple[bool, bool],
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Compute the gradients of x and of the weight by torch, where ``mask`` says so."""
    gx, gw, _ = torch.ops.aten.convolution_backward(
        grad,
        x,
        weight,
        None,
        [stride] * 2,
        padding,
        [1, 1],
        False,
        [0, 0],
        weight.shape[0],
        [*mask, False],
    )
    return gx, gw


def _by_columns(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, stride: int
) -> torch.Tensor:
    """Compute the gradient (C, 1, k, k), k > 3, as that of kernels of three columns each.

    What a kernel that begins at a column meets is x moved by as many pixels.  With its zeros on
    both sides written out, x is moved by where its memory begins to be read: a row goes on into the
    zeros of the next.  Past the last of them only zeros of ``grad`` are met.
    """
    channels, kernel, out = x.shape[1], weight.shape[-1], torch.empty_like(weight)
    part = weight.new_empty(channels, 1, kernel, QUICK)
    columns = [*range(0, kernel - QUICK, QUICK), kernel - QUICK]
    x = _between_zeros(x, kernel // 2, kernel // 2, columns[-1])
    # Zeros for the outputs that three columns have beyond those of the whole kernel.
    more = (x.shape[3] - QUICK) // stride + 1 - grad.shape[3]
    grad = _between_zeros(grad, 0, more) if more else grad
    for first in columns:
        moved = x.as_strided(x.shape, x.stride(), first * channels)
        _, gw = _gradients(grad, moved, part, stride, (kernel // 2, 0), (False, True))
        out[..., first : first + QUICK] = gw
    return out


def _between_zeros(x: torch.Tensor, left: int, right: int, beyond: int = 0) -> torch.Tensor:
    """Return a copy, channels last, with columns of zeros at the sides and pixels of them behind.

    Args:
        x: (N, C, H, W).
        beyond: number of pixels behind the end of what is returned, (N, C, H, left + W + right).
    """
    n, channels, height, width = x.shape
    wide = left + width + right
    memory = x.new_empty((n * height * wide + beyond) * channels)
    memory[n * height * wide * channels :] = 0
    strides = (height * wide * channels, 1, wide * channels, channels)
    out = memory.as_strided((n, channels, height, wide), strides)
    out[..., :left], out[..., left + width :] = 0, 0
    out[..., left : left + width] = x
    return out


def _by_taps(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, stride: int
) -> torch.Tensor:
    """Compute the gradient (C, 1, k, k) one kernel tap at a time.

    Taps that never meet the map stay zero.
    """
    out = torch.zeros_like(weight)
    for i, rows, x_rows in _taps(weight.shape[2], stride, x.shape[2], grad.shape[2]):
        for j, cols, x_cols in _taps(weight.shape[3], stride, x.shape[3], grad.shape[3]):
            met = grad[:, :, rows, cols] * x[:, :, x_rows, x_cols]  # (N, C, rows, cols)
            out[:, 0, i, j] = met.sum((0, 2, 3))
    return out


def _taps(kernel: int, stride: int, size: int, out: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield each tap that meets the map, the outputs where it does, and the inputs it meets."""
    for i in range(kernel):
        offset = i - kernel // 2
        first = max(0, -(offset // stride))  # the least o with o * stride + offset >= 0
        last = min(out - 1, (size - 1 - offset) // stride)
        if first <= last:
            start = first * stride + offset
            yield i, slice(first, last + 1), slice(start, last * stride + offset + 1, stride)
