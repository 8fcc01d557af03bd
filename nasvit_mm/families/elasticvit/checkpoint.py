"""Official ElasticViT weights: their keys, and the part that our supernet holds."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from nasvit_mm.families.elasticvit import space as facts
from nasvit_mm.families.official import Converter, check_keys, held_spans
from nasvit_mm.nn import Span, take
from nasvit_mm.spaces import Space

# Beginnings of keys in official weights.
KEYS = ('first_conv.', 'conv_stem.', 'feature_exactor.5.', 'pre_head_0.', 'classifer.')
# Official name -> our name; the misspellings are the authors'.
RENAMES = (
    (r'^first_conv\.', 'backbone.stem.'),
    (r'^first_conv_bn\.', 'backbone.stem_bn.'),
    (r'^conv_stem\.layers\.(\d+)\.0\.', r'backbone.stem_blocks.\1.'),
    (r'^feature_exactor\.([01])\.layers\.(\d+)\.0\.', r'backbone.stages.\1.\2.'),
    (r'^feature_exactor\.(\d)\.layers\.0\.reduction\.', r'backbone.stages.\1.0.'),
    (r'^pre_head_0\.', 'head.expand.'),
    (r'^pre_head_norm_0\.', 'head.expand_bn.'),
    (r'^pre_head_1\.', 'head.mix.'),
    (r'^classifer\.', 'head.classifier.'),
    (r'\.pw_conv\.', '.expand.'),
    (r'\.pw_bn\.', '.expand_bn.'),
    (r'\.dw_conv\.', '.depthwise.'),
    (r'\.dw_bn\.', '.depthwise_bn.'),
    (r'\.se_conv1\.', '.se.reduce.'),
    (r'\.se_conv2\.', '.se.expand.'),
    (r'\.pwl_conv\.', '.project.'),
    (r'\.pwl_bn\.', '.project_bn.'),
    (r'\.shortcut_conv\.', '.shortcut.'),
)
ATTENTION = {
    'attention_bias': 'attn.position.weight',
    'qkv.weight': 'attn.qkv.weight',
    'proj.weight': 'attn.proj.weight',
    'proj.bias': 'attn.proj.bias',
    'dw_v_conv.weight': 'attn.v_conv.weight',
    'norm1.weight': 'norm1.weight',
    'norm1.bias': 'norm1.bias',
}
MLP = {'norm1': 'norm2', 'fc1': 'mlp.fc1', 'fc2': 'mlp.fc2'}
LAYER = re.compile(r'^feature_exactor\.(\d)\.layers\.(\d+)\.(?!0\.|reduction\.)(.+)$')


def is_extracted(weights: Mapping[str, torch.Tensor]) -> bool:
    """Return False, because the authors' code extracts no subnets."""
    return False


def rename(weights: Mapping[str, torch.Tensor], space: Space) -> dict[str, torch.Tensor]:
    """Return official tensors under our names.

    The authors' EMA also averages the integer index buffers of the position tables and truncates
    the result, so that some offsets read the row before their own.  Such checkpoints were evaluated
    that way, so the rows that the buffers point to are baked into the tables.

    Raises:
        ValueError: the weights are not ElasticViT's.
    """
    check_keys(weights, 'ElasticViT', KEYS)
    out = {}
    for key, tensor in weights.items():
        if key.endswith('relative_position_index'):
            continue
        layer = LAYER.match(key)
        if layer is None:
            for pattern, replacement in RENAMES:
                key = re.sub(pattern, replacement, key)
            out[key] = tensor
            continue
        stage, number, rest = layer[1], int(layer[2]), layer[3]
        where = f'backbone.stages.{stage}.{number // 2 + 1}.'  # block 0 is the IB entry
        if number % 2:
            part, _, kind = rest.partition('.')
            out[f'{where}{MLP[part]}.{kind}'] = tensor
            continue
        if rest == 'attention_bias':
            index = weights.get(key.replace('attention_bias', 'relative_position_index'))
            tensor = _as_read(tensor, index, facts.TABLE_GRIDS[f'stage{stage}'], key)
        out[where + ATTENTION[rest]] = tensor
    return out


def _as_read(table: torch.Tensor, index: torch.Tensor | None, grid: int, key: str) -> torch.Tensor:
    """Return the table by true offset: row v is the one the stored index reads for offset v."""
    if index is None:
        return table
    rows, tokens = (2 * grid - 1) ** 2, grid**2
    if table.shape[0] != rows or index.shape != (tokens, tokens):
        raise ValueError(
            f'{key} of shape {tuple(table.shape)} with an index of shape '
            f'{tuple(index.shape)}; expected {rows} rows and ({tokens}, {tokens})'
        )
    y, x = torch.arange(tokens) // grid, torch.arange(tokens) % grid
    # (tokens, tokens): the row of each query-key offset
    true = (y[:, None] - y + grid - 1) * (2 * grid - 1) + x[:, None] - x + grid - 1
    read = torch.empty(rows, dtype=torch.long)
    read[true.flatten()] = index.flatten().long()
    if not torch.equal(read[true], index.long()) or read.min() < 0 or read.max() >= rows:
        raise ValueError(
            f'the relative_position_index beside {key} is not a function of the offset, '
            'or points outside the table'
        )
    return table[read]


def fit(key: str, tensor: torch.Tensor, shape: torch.Size, space: Space) -> torch.Tensor:
    """Return a copy of the part of an official tensor that the supernet of ``space`` holds.

    Raises:
        ValueError: the official tensor is too small.
    """
    if len(shape) == 2 and tensor.shape[2:] == (1, 1):
        tensor = tensor.flatten(1)  # (cout, cin): a 1x1 convolution of a vector is linear here
    if len(shape) == 4 and tensor.ndim == 2:
        tensor = tensor[:, :, None, None]  # the head's linear layer over tokens is a 1x1 here
    spans = held_spans(key, tensor.shape, shape)
    if key.endswith('.attn.qkv.weight'):
        (rows, width), (of_rows, of_width) = shape, tensor.shape
        spans[0] = (
            Span(0, width, of_rows),
            Span(of_width, width, of_rows),
            Span(2 * of_width, rows - 2 * width, of_rows),
        )
    return take(tensor, *spans).detach().clone()


CONVERTER = Converter(rename, fit, is_extracted)
