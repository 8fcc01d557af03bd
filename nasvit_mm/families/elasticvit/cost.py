"""Closed-form cost of ElasticViT over arrays of architectures, and the authors' formula."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nasvit_mm.cost import FamilyCost
from nasvit_mm.cost.primitives import (
    Tally,
    conv,
    depthwise,
    linear,
    mlp,
    norm,
    squeeze_excite,
    tap,
    window_pairs,
)
from nasvit_mm.families.elasticvit import space as facts

TRANSFORMERS = 2  # the first stage with transformer blocks


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
    parts = {'stem': _stem(fields, heights[0] * widths[0], in_channels)}
    last = len(facts.STAGES) - 1 if out_indices is None else facts.OUTPUT_STAGES[out_indices[-1]]
    for i, stage in enumerate(facts.STAGES[: last + 1]):
        cin, cout, depth = channels[:, i], channels[:, i + 1], fields['depth'][:, i + 1]
        before, grid = heights[i] * widths[i], (heights[i + 1], widths[i + 1])
        after = grid[0] * grid[1]
        if stage.transformer:
            j = i - TRANSFORMERS
            first = _ib(stage, cin, cout, facts.ENTRY_EXPAND, facts.ENTRY_KERNEL, before, after)
            block = _attention(
                cout, fields['v_scale'][:, j], grid, attention, facts.TABLE_GRIDS[stage.name]
            )
            block += mlp(cout, cout * fields['mlp_ratio'][:, j], after)
            parts[stage.name] = first + block * depth
        else:
            expand, kernel = fields['expand_ratio'][:, i], fields['kernel_size'][:, i + 1]
            first = _ib(stage, cin, cout, expand, kernel, before, after)
            rest = _ib(stage, cout, cout, expand, kernel, after, after)
            parts[stage.name] = first + rest * (depth - 1)
    if out_indices is None:
        parts['head'] = _head(channels[:, -1], heights[-1] * widths[-1], num_classes)
    elif out_width is not None:
        for i, out in zip(out_indices, out_width):
            stage = facts.OUTPUT_STAGES[i] + 1
            parts[f'tap{i}'] = tap(channels[:, stage], out, heights[stage] * widths[stage])
    return parts


def _stem(fields: Mapping[str, np.ndarray], pixels: np.ndarray, in_channels: int) -> Tally:
    width, kernel = fields['width'][:, 0], fields['kernel_size'][:, 0]
    block = depthwise(width, pixels, kernel) + conv(width, width, pixels) + 2 * norm(width)
    return conv(in_channels, width, pixels, 3) + norm(width) + block * fields['depth'][:, 0]


def _ib(
    stage: facts.Stage,
    cin: np.ndarray,
    cout: np.ndarray,
    expand: np.ndarray | int,
    kernel: np.ndarray | int,
    before: np.ndarray,
    after: np.ndarray,
) -> Tally:
    """Count an inverted bottleneck from ``before`` to ``after`` positions."""
    hidden = cin * expand
    out = conv(cin, hidden, before) + depthwise(hidden, after, kernel) + 2 * norm(hidden)
    if stage.se:
        out += squeeze_excite(hidden, hidden // facts.SE_RATIO)
    out += conv(hidden, cout, after) + norm(cout)
    return out + conv(cin, cout, after) * (cin != cout)  # the shortcut, if widths differ


def _attention(
    width: np.ndarray,
    v_scale: np.ndarray,
    grid: tuple[np.ndarray, np.ndarray],
    attention: str,
    table: int,
) -> Tally:
    tokens, heads, wide = grid[0] * grid[1], width // facts.HEAD_DIM, width * v_scale
    out = conv(width, 2 * width + wide, tokens) + depthwise(wide, tokens, 3)
    out += linear(wide, width, tokens) + norm(width)
    pairs = window_pairs(grid, table, attention)
    return out + Tally((width + wide) * pairs, heads * (2 * table - 1) ** 2)


def _head(width: np.ndarray, tokens: np.ndarray, num_classes: int) -> Tally:
    wide = width * facts.HEAD_EXPAND
    return (
        linear(width, wide, tokens)
        + norm(wide)
        + linear(wide, facts.HEAD_WIDTH, 1)
        + linear(facts.HEAD_WIDTH, num_classes, 1)
    )


def authors_macs(
    fields: Mapping[str, np.ndarray], height: np.ndarray, width: np.ndarray, num_classes: int
) -> dict[str, np.ndarray]:
    """Count MACs as the released code does; ElasticViT's levels, banks and tables use this count.

    It differs from the true count: a softmax counts as one MAC per score and the 3x3 on v as one
    per position; squeeze-and-excitation and shortcuts of the transformer stages' entries are left
    out; shortcuts of the convolutional stages count even if they only pool; the map before an entry
    is taken as twice the side after it, even if that was rounded up.  Attention is always global.
    """
    heights, widths = facts.stage_sizes(height), facts.stage_sizes(width)
    channels = fields['width']
    pixels = heights[0] * widths[0]
    stem, kernel = channels[:, 0], fields['kernel_size'][:, 0]
    parts = {
        'stem': 27 * stem * pixels + fields['depth'][:, 0] * (stem * kernel**2 + stem**2) * pixels
    }
    for i, stage in enumerate(facts.STAGES):
        cin, cout, depth = channels[:, i], channels[:, i + 1], fields['depth'][:, i + 1]
        after = heights[i + 1] * widths[i + 1]
        before = after * stage.stride**2
        if stage.transformer:
            j = i - TRANSFORMERS
            heads, wide = cout // facts.HEAD_DIM, cout * fields['v_scale'][:, j]
            entry = 6 * cin * cin * before + 54 * cin * after + 6 * cin * cout * after
            scores = heads * after**2 * (facts.HEAD_DIM + 1) + wide * after**2
            attention = (
                scores + cout * after * (2 * cout + wide) + after * wide * cout + after * wide
            )
            mlp = 2 * cout * fields['mlp_ratio'][:, j] * cout * after
            parts[stage.name] = entry + depth * (attention + mlp)
            continue
        expand, kernel = fields['expand_ratio'][:, i], fields['kernel_size'][:, i + 1]
        first = _authors_ib(stage, cin, cout, expand, kernel, before, after)
        rest = _authors_ib(stage, cout, cout, expand, kernel, after, after)
        parts[stage.name] = first + cin * cout * after + (depth - 1) * rest
    last = channels[:, -1]
    parts['head'] = (
        6 * last**2 * heights[-1] * widths[-1]
        + 6 * last * facts.HEAD_WIDTH
        + facts.HEAD_WIDTH * num_classes
    )
    return parts


def _authors_ib(
    stage: facts.Stage,
    cin: np.ndarray,
    cout: np.ndarray,
    expand: np.ndarray,
    kernel: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
) -> np.ndarray:
    hidden = cin * expand
    out = cin * hidden * before + hidden * kernel**2 * after + hidden * cout * after
    return out + (2 * hidden * (hidden // facts.SE_RATIO) if stage.se else 0)


def output_widths(fields: Mapping[str, np.ndarray], out_indices: tuple[int, ...]) -> np.ndarray:
    """Return the channels of the backbone's outputs, (n, outputs)."""
    return np.stack([fields['width'][:, facts.OUTPUT_STAGES[i] + 1] for i in out_indices], 1)


COST = FamilyCost(
    tally=tally,
    output_widths=output_widths,
    num_outputs=len(facts.OUTPUT_STAGES),
    min_size=facts.MIN_SIZE,
    authors_macs=authors_macs,
)
