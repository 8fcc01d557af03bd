"""Region-of-interest pooling of bins that are moved by offsets, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from nasvit_mm.compat.ops.kernel import at_least_float32, gradients, kernel
from nasvit_mm.compat.ops.regions import by_samples, corners, on_map

CHUNK = 2**24  # numbers that one step may hold

Step = tuple[Tensor, Callable[[Tensor, Tensor], Tensor]]


@kernel
def deform_roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Write the average of every bin, moved by its offset, into ``output``.

    Args:
        input: (N, C, H, W).
        rois: (n, 5): image index, x1, y1, x2, y2.
        offset: (n, 2, pooled_height, pooled_width), x and y, in lengths of the region times
            ``gamma``; or empty.
        output: (n, C, pooled_height, pooled_width), overwritten.
    """
    input, rois, offset = at_least_float32(input, rois, offset)
    options = ((pooled_height, pooled_width), spatial_scale, sampling_ratio, gamma)
    output.zero_()
    for which, pool in _steps(input, rois, *options):
        output[which] = pool(input, _of(offset, which)).to(output.dtype)


@kernel
def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Write the gradients of ``deform_roi_pool_forward``'s input and offset.

    Beyond the border of the map, the compiled operation's gradient of the offset is not that of its
    output; this one's is.
    """
    grad_output, input, rois, offset = at_least_float32(grad_output, input, rois, offset)
    options = ((pooled_height, pooled_width), spatial_scale, sampling_ratio, gamma)
    total = torch.zeros_like(input)
    grad_offset.zero_()
    for which, pool in _steps(input, rois, *options):
        of_input, of_offset = gradients(pool, [input, _of(offset, which)], grad_output[which])
        total += of_input
        if offset.numel():
            grad_offset[which] = of_offset.to(grad_offset.dtype)
    grad_input.copy_(total)


def _of(offset: Tensor, which: Tensor) -> Tensor:
    """Return the offsets of some regions; zeros (1, 2, 1, 1) where there are none."""
    return offset[which] if offset.numel() else offset.new_zeros(1, 2, 1, 1)


def _steps(
    input: Tensor, rois: Tensor, size: tuple[int, int], scale: float, ratio: int, gamma: float
) -> Iterator[Step]:
    """Yield indices of regions, and a function of input and their offsets that pools them."""
    first, lengths = on_map(rois, scale, aligned=True)
    for which, rows, columns in by_samples(lengths, size, ratio):
        numbers = 4 * input.shape[1] * size[0] * size[1] * rows * columns
        if numbers <= 0:  # regions without a sample pool to 0
            continue
        for part in which.split(max(1, CHUNK // numbers)):
            places = (rois[part, 0].long(), first[part], lengths[part])

            def pool(
                input: Tensor,
                offset: Tensor,
                places: tuple[Tensor, ...] = places,
                samples: tuple[int, int] = (rows, columns),
            ) -> Tensor:
                return _pool(input, offset, *places, size, samples, gamma)

            yield part, pool


def _pool(
    input: Tensor,
    offset: Tensor,
    images: Tensor,
    first: Tensor,
    lengths: Tensor,
    size: tuple[int, int],
    samples: tuple[int, int],
    gamma: float,
) -> Tensor:
    """Return (k, C, h, w): the average of ``samples`` rows and columns of every moved bin."""
    _, channels, height, width = input.shape
    moved = first[:, :, None, None] + gamma * lengths[:, :, None, None] * offset  # (k, 2, h, w)
    x = _along(moved[:, 0], lengths[:, 0], size[1], samples[1], -1)[..., None, :]
    y = _along(moved[:, 1], lengths[:, 1], size[0], samples[0], -2)[..., :, None]
    maps = input.transpose(0, 1).flatten(1)  # (C, N * H * W)
    starts = (images * height * width)[:, None, None, None, None]
    total = maps.new_zeros(())
    for index, weight in corners(y, x, height, width):  # (k, h, w, rows, columns)
        read = maps.index_select(1, (index + starts).flatten())
        total = total + read.view(channels, *index.shape) * weight
    return total.mean((-2, -1)).transpose(0, 1)


def _along(first: Tensor, length: Tensor, bins: int, samples: int, axis: int) -> Tensor:
    """Return the places of the samples along one axis, (k, h, w, samples).

    Args:
        first: where the region of every bin begins, (k, h, w) or to be broadcast to it.
        length: (k,), of the region.
        axis: the axis of the bins, -1 (x) or -2 (y).
    """
    steps = torch.arange(bins * samples, device=first.device).view(bins, samples) + 0.5
    steps = steps[:, None] if axis == -2 else steps  # (h, 1, samples) or (w, samples)
    return first[..., None] + steps * (length / (bins * samples))[:, None, None, None]
