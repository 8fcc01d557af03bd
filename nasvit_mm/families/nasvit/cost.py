"""Closed-form cost of NASViT over arrays of architectures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nasvit_mm.cost import FamilyCost
from nasvit_mm.cost.primitives import (
    Tally,
    conv,
    depthwise,
    linear,
    norm,
    squeeze_excite,
    tap,
    window_pairs,
)
from nasvit_mm.families.nasvit import space as facts


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
    """Count the cost of each part of the network for ``n`` architectures.

    Args:
        fields: columns of ``Space.columns``, (n,) or (n, positions).
        height, width: size of the input in pixels, (n,).
        out_indices: outputs of a backbone; None: the whole classifier.
        out_width: widths of the taps, one per output.
        in_channels: channels of the image.
    """
    heights, widths = facts.stage_sizes(height), facts.stage_sizes(width)
    channels = fields['width']
    stem = channels[:, 0]
    parts = {'stem': conv(in_channels, stem, heights[0] * widths[0], 3) + norm(stem)}
    last = len(facts.STAGES) - 1 if out_indices is None else facts.OUTPUT_STAGES[out_indices[-1]]
    for i, stage in enumerate(facts.STAGES[: last + 1]):
        cin, cout, depth = channels[:, i], channels[:, i + 1], fields['depth'][:, i]
        expand, kernel = fields['expand_ratio'][:, i], fields['kernel_size'][:, i]
        before = heights[i] * widths[i]
        grid = heights[i + 1], widths[i + 1]
        first = _mbconv(stage, cin, cout, expand, kernel, before, grid[0] * grid[1])
        if stage.transformer:
            rest = _transformer(cout, grid, attention)
        else:
            rest = _mbconv(stage, cout, cout, expand, kernel, grid[0] * grid[1], grid[0] * grid[1])
        parts[stage.name] = first + rest * (depth - 1)
    if out_indices is None:
        parts['head'] = _head(channels[:, 7], channels[:, 8], heights[-1] * widths[-1], num_classes)
    elif out_width is not None:
        for i, out in zip(out_indices, out_width):
            stage = facts.OUTPUT_STAGES[i] + 1
            parts[f'tap{i}'] = tap(channels[:, stage], out, heights[stage] * widths[stage])
    return parts


def _mbconv(
    stage: facts.Stage,
    cin: np.ndarray,
    cout: np.ndarray,
    expand: np.ndarray,
    kernel: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
) -> Tally:
    """Count an MBConv from ``before`` to ``after`` positions."""
    out, hidden = Tally(), cin
    if stage.expands:
        hidden = facts.hidden_width(cin, expand)
        out += conv(cin, hidden, before) + norm(hidden)
    out += depthwise(hidden, after, kernel) + norm(hidden)
    if stage.se:
        out += squeeze_excite(hidden, facts.se_width(hidden))
    out += conv(hidden, cout, after) + norm(cout)
    return out + conv(cin, cout, after) * (cin != cout)  # the shortcut, if widths differ


def _transformer(width: np.ndarray, grid: tuple[np.ndarray, np.ndarray], attention: str) -> Tally:
    """Count a transformer block on a grid of tokens."""
    tokens, heads = grid[0] * grid[1], width // facts.HEAD_DIM
    wide = width * facts.V_RATIO
    out = 2 * linear(width, width, tokens) + linear(width, wide, tokens)  # q, k; v
    out += depthwise(wide, tokens, 3) + linear(wide, width, tokens)
    out += 4 * linear(width, width, tokens)  # two MLPs
    pairs = window_pairs(grid, facts.TABLE_GRID, attention)
    out += 2 * linear(heads, heads, pairs)  # talking heads
    out += Tally((width + wide) * pairs, heads * (2 * facts.TABLE_GRID - 1) ** 2)
    return out + 3 * norm(width) + Tally(0, 2 * width)  # two layer scales


def _head(width: np.ndarray, last: np.ndarray, pixels: np.ndarray, num_classes: int) -> Tally:
    wide = width * facts.HEAD_EXPAND
    return (
        conv(width, wide, pixels) + norm(wide) + conv(wide, last, 1) + linear(last, num_classes, 1)
    )


def output_widths(fields: Mapping[str, np.ndarray], out_indices: tuple[int, ...]) -> np.ndarray:
    """Return the channels of the backbone's outputs, (n, outputs)."""
    return np.stack([fields['width'][:, facts.OUTPUT_STAGES[i] + 1] for i in out_indices], 1)


COST = FamilyCost(
    tally=tally,
    output_widths=output_widths,
    num_outputs=len(facts.OUTPUT_STAGES),
    min_size=facts.MIN_SIZE,
)
