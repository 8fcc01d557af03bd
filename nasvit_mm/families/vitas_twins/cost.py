"""Closed-form cost of the Twins-like ViTAS nets over arrays of architectures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nasvit_mm.cost import FamilyCost
from nasvit_mm.cost.primitives import Tally, conv, depthwise, linear, mlp, norm, num_windows, tap
from nasvit_mm.families.vitas_twins import space as facts


def tally(
    fields: Mapping[str, np.ndarray],
    height: np.ndarray,
    width: np.ndarray,
    *,
    out_indices: tuple[int, ...] | None,
    attention: str,
    num_classes: int,
    out_width: tuple[int, ...] | None,
    in_channels: int = 3,
    stage_norm: bool = False,
) -> dict[str, Tally]:
    """Count the cost of each part of the network; see ``families.nasvit.cost.tally``.

    Local and reduced attention are the same at any size, so ``attention`` changes nothing.
    """
    heights, widths = facts.stage_sizes(height), facts.stage_sizes(width)
    last = len(facts.STAGES) - 1 if out_indices is None else out_indices[-1]
    parts, cin, before = {}, in_channels, 0
    for i, stage in enumerate(facts.STAGES[: last + 1]):
        channels, grid = fields['width'][:, i], (heights[i], widths[i])
        tokens = grid[0] * grid[1]
        parts[f'embed{i}'] = conv(cin, channels, tokens, stage.stride, bias=True) + norm(channels)
        for j in range(stage.slots):
            slot = before + j
            heads = fields['heads'][:, slot]
            inner = heads * fields['head_dim'][:, slot]
            attend = _local if facts.is_local(j) else _global
            block = attend(stage, channels, inner, grid)
            block += mlp(channels, fields['mlp_width'][:, slot], tokens)
            parts[f'{stage.name}.{j}'] = block * (heads > 0)
        parts[f'peg{i}'] = depthwise(channels, tokens, 3, bias=True)
        if stage_norm:
            parts[f'norm{i}'] = norm(channels)
        cin, before = channels, before + stage.slots
    if out_indices is None:
        parts['head'] = norm(cin) + linear(cin, num_classes, 1)
    elif out_width is not None:
        for i, out in zip(out_indices, out_width):
            parts[f'tap{i}'] = tap(fields['width'][:, i], out, heights[i] * widths[i])
    return parts


def _local(
    stage: facts.Stage, width: np.ndarray, inner: np.ndarray, grid: tuple[np.ndarray, np.ndarray]
) -> Tally:
    """Count attention in windows; padding tokens count in the products of queries and keys."""
    tokens, area = grid[0] * grid[1], facts.WINDOW**2
    windows = num_windows(grid, (facts.WINDOW, facts.WINDOW))
    return (
        norm(width)
        + linear(width, 3 * inner, tokens)
        + linear(inner, width, tokens)
        + Tally(2 * windows * area**2 * inner)
    )


def _global(
    stage: facts.Stage, width: np.ndarray, inner: np.ndarray, grid: tuple[np.ndarray, np.ndarray]
) -> Tally:
    """Count attention whose keys and values are on a grid reduced by a convolution."""
    tokens = grid[0] * grid[1]
    keys = (grid[0] // stage.reduction) * (grid[1] // stage.reduction)
    out = norm(width) + linear(width, inner, tokens) + linear(width, 2 * inner, keys)
    if stage.reduction > 1:
        out += conv(width, width, keys, stage.reduction, bias=True) + norm(width)
    return out + linear(inner, width, tokens) + Tally(2 * tokens * keys * inner)


def output_widths(fields: Mapping[str, np.ndarray], out_indices: tuple[int, ...]) -> np.ndarray:
    """Return the channels of the backbone's outputs, (n, outputs)."""
    return fields['width'][:, list(out_indices)]


COST = FamilyCost(
    tally=tally,
    output_widths=output_widths,
    num_outputs=len(facts.STAGES),
    min_size=facts.MIN_SIZE,
    options=('stage_norm',),
)
