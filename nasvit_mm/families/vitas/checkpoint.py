"""Official weights of the DeiT-like ViTAS nets: searched networks and superformers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from nasvit_mm.families.official import Converter, check_keys
from nasvit_mm.families.vitas import space as facts
from nasvit_mm.spaces import IDENTITY, Space

# Beginnings of keys in official weights.
KEYS = (
    'net.backbone_init_stem_Patch_init_0.',
    'net.backbone_Block_',
    'net.backbone_Norm_Norm_0.',
    'net.backbone_FC_FC_0.',
)
BLOCK = re.compile(r'^net\.backbone_Block_\w+_(\d+)\.0\.(.+)$')
STEM = re.compile(r'^net\.backbone_init_stem_Patch_init_0\.(\d+)\.(.+)$')
STEM_NAMES = {
    'cls_token': 'cls_token',
    'pos_embed': 'position',
    'patch_embed.proj.weight': 'proj.weight',
    'patch_embed.proj.bias': 'proj.bias',
}
QK = re.compile(r'^attn\.qk(\d)\.')


def is_extracted(weights: Mapping[str, torch.Tensor]) -> bool:
    """Return whether the weights are a searched network's, which has q, k and v in one matrix."""
    return any(key.endswith('.attn.qkv.weight') for key in weights)


def options(weights: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return the options that the network of these weights must be built with."""
    if is_extracted(weights):
        return {}
    width = max(v.shape[0] for k, v in weights.items() if k.endswith('.norm1.weight'))
    return dict(sharing='bilateral', qk_rows='joint', attention_scale=width // 3)


def rename(weights: Mapping[str, torch.Tensor], space: Space) -> dict[str, torch.Tensor]:
    """Return official tensors under our names.

    Args:
        space: for a searched network, the space of its one architecture.

    Raises:
        ValueError: the weights are not ViTAS's, a searched network comes without its architecture,
            or the blocks are in other slots than the architecture's.
    """
    check_keys(weights, 'ViTAS', KEYS)
    searched = is_extracted(weights)
    if searched and not space.is_single:
        raise ValueError(
            'these are the weights of a searched ViTAS network: give its arch '
            f'(one of {", ".join(space.named)}, or its net_id)'
        )
    patches = (
        (space.largest.patch_size,)
        if searched
        else (next(f for f in space.table if f.name == 'patch_size').choices[0])
    )
    heads = space.largest.heads
    slots = {int(m[1]) for m in map(BLOCK.match, weights) if m}
    wanted = (
        {i for i, h in enumerate(heads) if h != IDENTITY} if searched else set(range(len(heads)))
    )
    if slots != wanted:
        raise ValueError(
            f'the checkpoint has blocks in the slots {sorted(slots)}, '
            f'{space.largest if searched else space.name} has them in {sorted(wanted)}'
        )
    out = {}
    for key, tensor in weights.items():
        stem, block = STEM.match(key), BLOCK.match(key)
        if stem:
            if int(stem[1]) >= len(patches):
                raise ValueError(
                    f'the checkpoint has a stem {stem[1]}, {space.name} has only '
                    f'{len(patches)} (patch sizes {patches})'
                )
            out[f'backbone.stems.{patches[int(stem[1])]}.{STEM_NAMES[stem[2]]}'] = tensor
        elif block:
            slot, name = int(block[1]), block[2]
            where = f'backbone.blocks.{slot}.'
            kind = name.rpartition('.')[2]
            if name.startswith('attn.qkv.'):
                two_thirds = tensor.shape[0] // 3 * 2
                out[f'{where}attn.qk.{heads[slot]}.{kind}'] = tensor[:two_thirds]
                out[f'{where}attn.v.{kind}'] = tensor[two_thirds:]
            else:
                name = QK.sub(lambda m: f'attn.qk.{facts.HEADS[int(m[1])]}.', name)
                out[where + name] = tensor
        elif key.startswith('net.backbone_Norm'):
            out[f'backbone.norm.{key.rpartition(".")[2]}'] = tensor
        else:
            out[f'head.classifier.{key.rpartition(".")[2]}'] = tensor
    return out


def fit(key: str, tensor: torch.Tensor, shape: torch.Size, space: Space) -> torch.Tensor:
    """Return a copy of an official tensor, which must have the shape of ours.

    Raises:
        ValueError: it has another shape.  (A restriction must leave the largest widths, because
            their last channels serve the smaller widths too.)
    """
    if tensor.shape != shape:
        raise ValueError(
            f'official tensor for {key} has the shape {tuple(tensor.shape)}, expected '
            f'{tuple(shape)}'
        )
    return tensor.detach().clone()


CONVERTER = Converter(rename, fit, is_extracted, options)
