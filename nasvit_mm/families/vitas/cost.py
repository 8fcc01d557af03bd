"""Closed-form cost of the DeiT-like ViTAS nets over arrays, and the authors' formula."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nasvit_mm.cost import FamilyCost
from nasvit_mm.cost.primitives import Tally, conv, depthwise, linear, mlp, norm, num_windows, tap
from nasvit_mm.families.vitas import space as facts
from nasvit_mm.spaces.geometry import window_side


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
) -> dict[str, Tally]:
    """Count the cost of each part of the network; see ``families.nasvit.cost.tally``."""
    patch, channels = fields['patch_size'], fields['width']
    grid = facts.grid_sizes(height, patch), facts.grid_sizes(width, patch)
    patches = grid[0] * grid[1]
    trained = facts.TRAINED_RESOLUTION // patch
    stem = conv(in_channels, channels, patches, patch, bias=True)
    parts = {'stem': stem + Tally(0, channels * (trained**2 + 2))}  # positions and class token
    pairs = _pairs(grid, trained, attention)
    for slot in range(fields['heads'].shape[1]):
        inner, hidden = fields['qkv_width'][:, slot] // 3, fields['mlp_width'][:, slot]
        block = linear(channels, 3 * inner, patches + 1) + linear(inner, channels, patches + 1)
        block += norm(channels) + Tally(2 * pairs * inner) + mlp(channels, hidden, patches + 1)
        parts[f'block{slot}'] = block * (fields['heads'][:, slot] > 0)
    parts['norm'] = norm(channels)
    if out_indices is None:
        parts['head'] = linear(channels, num_classes, 1)
        return parts
    for i in out_indices:
        parts[f'pyramid{i}'] = _pyramid(i, channels, patches)
        if i != out_indices[-1]:
            parts[f'pyramid{i}'] += norm(channels)
    if out_width is not None:
        for i, out in zip(out_indices, out_width):
            stride = 4 * 2**i  # in sixteenths of a patch
            pixels = [-(-side * 16 // (patch * stride)) for side in (height, width)]
            parts[f'tap{i}'] = tap(channels, out, pixels[0] * pixels[1])
    return parts


def _pairs(grid: tuple[np.ndarray, np.ndarray], trained: np.ndarray, attention: str) -> np.ndarray:
    """Return the number of query-key pairs, including the class token's."""
    tokens = grid[0] * grid[1] + 1
    if attention != 'window':
        return tokens**2
    side = tuple(window_side(n, trained) for n in grid)
    windows, area = num_windows(grid, side), side[0] * side[1]
    return np.where(windows == 1, tokens**2, windows * area * (area + 1) + tokens)


def _pyramid(index: int, width: np.ndarray, patches: np.ndarray) -> Tally:
    """Count the steps from patches to an output's grid; the two coarser ones cost nothing."""
    if index > 1:
        return Tally()
    up = depthwise(width, patches, 2, bias=True)
    return up if index else up + norm(width) + depthwise(width, 4 * patches, 2, bias=True)


def authors_macs(
    fields: Mapping[str, np.ndarray], height: np.ndarray, width: np.ndarray, num_classes: int
) -> dict[str, np.ndarray]:
    """Count MACs as the public code does; the published sizes are in this count.

    It leaves the class token out, and counts the classifier once for every patch.
    """
    patch, channels = fields['patch_size'], fields['width']
    patches = facts.grid_sizes(height, patch) * facts.grid_sizes(width, patch)
    parts = {'stem': 3 * patch**2 * channels * patches}
    for slot in range(fields['heads'].shape[1]):
        inner, hidden = fields['qkv_width'][:, slot] // 3, fields['mlp_width'][:, slot]
        block = patches * channels * (4 * inner + 2 * hidden) + 2 * patches**2 * inner
        parts[f'block{slot}'] = block * (fields['heads'][:, slot] > 0)
    parts['head'] = channels * num_classes * patches
    return parts


def output_widths(fields: Mapping[str, np.ndarray], out_indices: tuple[int, ...]) -> np.ndarray:
    """Return the channels of the backbone's outputs, (n, outputs)."""
    return np.stack([fields['width']] * len(out_indices), 1)


COST = FamilyCost(
    tally=tally,
    output_widths=output_widths,
    num_outputs=facts.NUM_OUTPUTS,
    min_size=facts.MIN_SIZE,
    authors_macs=authors_macs,
)
