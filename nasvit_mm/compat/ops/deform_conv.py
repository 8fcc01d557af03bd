"""Deformable convolution v1 and v2, on torchvision's kernels.

The offsets of a place of the kernel are (y, x), and groups are read from the shapes; mmcv and
torchvision agree in both.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchvision  # noqa: F401 (registers torch.ops.torchvision)
from torch import Tensor

from nasvit_mm.compat.ops.kernel import at_least_float32, kernel


@kernel
def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Write the convolution of places that ``offset`` moves into ``output``.

    Args:
        input: (N, C, H, W).
        weight: (D, C / group, kH, kW).
        offset: (N, 2 * deformable_group * kH * kW, H', W').
        output: (N, D, H', W'), overwritten.
        columns, ones: buffers of the compiled operation, unused.
        dW, dH: the stride.
        im2col_step: images at a time; torchvision chooses it.
    """
    layout = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
    tensors = at_least_float32(input, weight, offset)
    output.copy_(torch.ops.torchvision.deform_conv2d(*tensors, *_unused(tensors), *layout, False))


@kernel
def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Write the gradients of ``deform_conv_forward``'s input and offset."""
    layout = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
    grad, *tensors = at_least_float32(gradOutput, input, weight, offset)
    backward = torch.ops.torchvision._deform_conv2d_backward
    of_input, _, of_offset, *_ = backward(grad, *tensors, *_unused(tensors), *layout, False)
    gradInput.copy_(of_input)
    gradOffset.copy_(of_offset)


@kernel
def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Add the gradient of ``deform_conv_forward``'s weight, times ``scale``, to ``gradWeight``."""
    # torchvision's backward would compute the other gradients too, at seven times the time.
    grad, input, offset = at_least_float32(gradOutput, input, offset)
    columns = _columns(
        input, offset, deformable_group, (kH, kW), (dH, dW), (padH, padW), (dilationH, dilationW)
    )
    columns = columns.unflatten(1, (group, -1)).flatten(2, 3)  # (N, group, C / group * kH * kW, P)
    grad = grad.flatten(2).unflatten(1, (group, -1))  # (N, group, D / group, P)
    of_weight = torch.einsum('ngdp,ngcp->gdc', grad, columns).view(gradWeight.shape)
    gradWeight.add_(of_weight.to(gradWeight.dtype), alpha=scale)


def _columns(
    input: Tensor,
    offset: Tensor,
    groups: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Tensor:
    """Return what the weights multiply: (N, C, kH * kW, H' * W'), read at the moved places."""
    n, channels, *sides = input.shape
    size = offset.shape[2:]
    moves = offset.reshape(n * groups, kernel[0], kernel[1], 2, *size)
    places = []
    for axis, shape in ((1, (1, -1, 1, 1)), (0, (-1, 1, 1, 1))):  # x, y
        of_kernel = torch.arange(kernel[axis], device=offset.device).view(shape) * dilation[axis]
        steps = torch.arange(size[axis], device=offset.device).view((-1,) if axis else (-1, 1))
        place = moves[:, :, :, axis] + (of_kernel + steps * stride[axis] - padding[axis])
        places.append((2 * place + 1) / sides[axis] - 1)  # -1 to 1 from edge to edge
    grid = torch.stack(places, -1).view(n * groups, -1, size[1], 2)
    maps = input.reshape(n * groups, channels // groups, *sides)
    return F.grid_sample(maps, grid, align_corners=False).view(n, channels, -1, size.numel())


def _unused(tensors: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the mask and the bias of a convolution without them, as torchvision wants them."""
    input, weight, _ = tensors
    return input.new_zeros(len(input), 1), input.new_zeros(len(weight))


@kernel
def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Write the convolution of moved and weighted places into ``output``.

    Args:
        input: (N, C, H, W).
        weight: (D, C / group, kernel_h, kernel_w).
        bias: (D,), or empty if ``with_bias`` is false.
        offset: (N, 2 * deformable_group * kernel_h * kernel_w, H', W'), or of larger maps.
        mask: (N, deformable_group * kernel_h * kernel_w, H', W'), or of larger maps.
        output: (N, D, H', W'), overwritten.
        ones, columns: buffers of the compiled operation, unused.
    """
    layout = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group)
    places = deformable_group * kernel_h * kernel_w
    offset, mask = _read(offset, 2 * places, output), _read(mask, places, output)
    bias = bias if with_bias else input.new_zeros(len(weight))
    tensors = at_least_float32(input, weight, offset, mask, bias)
    output.copy_(torch.ops.torchvision.deform_conv2d(*tensors, *layout, True))


@kernel
def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Write the gradients of everything that ``modulated_deform_conv_forward`` takes."""
    layout = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group)
    places = deformable_group * kernel_h * kernel_w
    read = [_read(offset, 2 * places, grad_output), _read(mask, places, grad_output)]
    bias = bias if with_bias else input.new_zeros(len(weight))
    tensors = at_least_float32(grad_output, input, weight, *read, bias)
    backward = torch.ops.torchvision._deform_conv2d_backward
    of_input, of_weight, of_offset, of_mask, of_bias = backward(*tensors, *layout, True)
    grad_input.copy_(of_input)
    grad_weight.copy_(of_weight)
    for into, grad in ((grad_offset, of_offset), (grad_mask, of_mask)):
        whole = grad.new_zeros(into.shape).flatten(1)  # what was not read has no gradient
        whole[:, : grad[0].numel()] = grad.flatten(1)
        into.copy_(whole.view(into.shape))
    if with_bias:
        grad_bias.copy_(of_bias)


def _read(maps: Tensor, channels: int, output: Tensor) -> Tensor:
    """Return what the compiled kernel reads of offset or mask: (N, channels, H', W').

    It checks no size: it takes the memory of each image for maps as large as the output.  DyHead
    relies on that, with offsets computed on a map of twice the side.

    Raises:
        ValueError: the maps are smaller than the output; the kernel would read beyond them.
    """
    size = output.shape[2:]
    if maps.shape[1:] == (channels, *size):
        return maps
    count = channels * size.numel()
    if maps.flatten(1).shape[1] < count:
        raise ValueError(
            f'offset or mask of shape {tuple(maps.shape)} for a deformable convolution whose '
            f'output is {tuple(output.shape)}: expected (N, {channels}, {size[0]}, {size[1]})'
        )
    return maps.flatten(1)[:, :count].unflatten(1, (channels, *size))
