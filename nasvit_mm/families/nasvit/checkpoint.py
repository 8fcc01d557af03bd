"""Official NASViT weights: their keys, and the part that our supernet holds.

The released supernet's file has one flat list of 42 blocks.  A subnet extracted by the authors'
code numbers its active blocks consecutively and drops one level of most names (its transformer
blocks keep the supernet's shapes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F

from nasvit_mm.families.nasvit import space as facts
from nasvit_mm.families.nasvit.space import NASViTSpace
from nasvit_mm.families.official import Converter, check_keys, held_spans
from nasvit_mm.nn import take
from nasvit_mm.spaces import Space

# Official name (with the levels collapsed that differ in an extracted subnet) -> our name.
RENAMES = (
    (r'^first_conv\.conv\.', 'backbone.stem.'),
    (r'^first_conv\.bn\.', 'backbone.stem_bn.'),
    (r'^last_conv\.(?:final_expand_layer|0)\.conv\.', 'head.expand.'),
    (r'^last_conv\.(?:final_expand_layer|0)\.bn\.', 'head.expand_bn.'),
    (r'^last_conv\.(?:feature_mix_layer|2)\.conv\.', 'head.mix.'),
    (r'^classifier\.linear\.', 'head.classifier.'),
    (r'\.mobile_inverted_conv\.inverted_bottleneck\.conv\.', '.expand.'),
    (r'\.mobile_inverted_conv\.inverted_bottleneck\.bn\.', '.expand_bn.'),
    (r'\.mobile_inverted_conv\.depth_conv\.conv\.', '.depthwise.'),
    (r'\.mobile_inverted_conv\.depth_conv\.bn\.', '.depthwise_bn.'),
    (r'\.mobile_inverted_conv\.depth_conv\.se\.fc\.', '.se.'),
    (r'\.mobile_inverted_conv\.point_linear\.conv\.', '.project.'),
    (r'\.mobile_inverted_conv\.point_linear\.bn\.', '.project_bn.'),
    (r'\.shortcut\.conv\.', '.shortcut.'),
    (r'\.attn\.([qkv]|proj)\.linear\.', r'.attn.\1.'),
    (r'\.attn\.vconv\.', '.attn.v_conv.'),
    (r'\.attn\.proj_l\.linear\.', '.attn.talk_before.'),
    (r'\.attn\.proj_w\.linear\.', '.attn.talk_after.'),
    (r'\.attn\.relative_position_bias_table$', '.attn.position.weight'),
    (r'\.(mlp[12])\.linear([12])\.linear\.', r'.\1.fc\2.'),
    (r'\.rescale_(attn|mlp)$', r'.scale_\1.weight'),
)
# Beginnings of keys in official weights.
KEYS = ('first_conv.', 'blocks.0.mobile_inverted_conv.', 'last_conv.', 'classifier.linear.')
# Keys that the authors' forward never reads, or that are recomputed on loading.
IGNORED = re.compile(r'\.bn_tracking\.|\.mobile_inverted_conv\.rescale$|relative_position_index$')


def is_extracted(weights: Mapping[str, torch.Tensor]) -> bool:
    """Return whether the weights are a subnet that the authors' code extracted."""
    return 'last_conv.0.conv.weight' in weights


def rename(weights: Mapping[str, torch.Tensor], space: Space) -> dict[str, torch.Tensor]:
    """Return official tensors under our names.

    Args:
        weights: bare tensors of an official supernet or extracted subnet.
        space: for an extracted subnet, the space of its one architecture, to number its blocks.

    Raises:
        ValueError: the weights are not NASViT's, or are an extracted subnet's whose architecture is
            not given or does not match.
    """
    check_keys(weights, 'NASViT', KEYS)
    extracted = is_extracted(weights)
    if extracted and not space.is_single:
        raise ValueError('these are the weights of an extracted NASViT subnet: give its arch')
    depths = space.largest.depth if extracted else NASViTSpace().largest.depth
    places = [f'backbone.stages.{s}.{j}' for s, d in enumerate(depths) for j in range(d)]
    found = 1 + max(int(k.split('.')[1]) for k in weights if k.startswith('blocks.'))
    if found != len(places):
        raise ValueError(
            f'the checkpoint has {found} blocks, '
            + (
                f'{space.largest} has {len(places)}'
                if extracted
                else f'the official NASViT supernet has {len(places)}'
            )
        )
    out = {}
    for key, tensor in weights.items():
        if IGNORED.search(key):
            continue
        new = re.sub(r'\.(conv|bn)\.\1\.', r'.\1.', key).replace(
            'classifier.linear.linear.', 'classifier.linear.'
        )
        new = re.sub(r'^blocks\.(\d+)', lambda m: places[int(m[1])], new)
        for pattern, replacement in RENAMES:
            new = re.sub(pattern, replacement, new)
        if new.endswith('.attn.position.weight'):
            tensor = _resize_table(tensor)
        out[new] = tensor
    return out


def fit(key: str, tensor: torch.Tensor, shape: torch.Size, space: Space) -> torch.Tensor:
    """Return a copy of the part of an official tensor that the supernet of ``space`` holds.

    Raises:
        ValueError: the official tensor is too small.
    """
    if '.scale_' in key:
        tensor = _scale_rows(tensor, int(key.split('.')[2]), space)
    if len(shape) == 2 and tensor.shape[2:] == (1, 1):
        tensor = tensor.flatten(1)  # (cout, cin): a 1x1 convolution of a vector is linear here
    return take(tensor, *held_spans(key, tensor.shape, shape)).detach().clone()


def _scale_rows(table: torch.Tensor, stage: int, space: Space) -> torch.Tensor:
    """Select the space's depths and rows from a table (10, 8, C) by depth and tokens mod 8."""
    rows = facts.scale_rows(space)[stage]
    return table[list(space.field('depth').choices[stage])][:, rows]


def _resize_table(table: torch.Tensor) -> torch.Tensor:
    """Resize a relative-position table of another window size bicubically, as the authors do."""
    rows, side = table.shape[0], 2 * facts.TABLE_GRID - 1
    have = round(rows**0.5)
    if have == side:
        return table
    if have * have != rows:
        raise ValueError(
            f'relative-position table of {rows} rows, expected a square number ({side * side})'
        )
    square = table.t().reshape(1, -1, have, have)  # (1, heads, rows, columns)
    square = F.interpolate(square, (side, side), mode='bicubic', align_corners=False)
    return square.reshape(-1, side * side).t()  # (offsets, heads)


CONVERTER = Converter(rename, fit, is_extracted)
