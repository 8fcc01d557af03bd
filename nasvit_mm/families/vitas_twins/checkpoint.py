"""Twins-SVT weights, the authors' or timm's (with the same keys), for ``vitas_twins``."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from nasvit_mm.families.official import Converter, check_keys
from nasvit_mm.families.vitas.checkpoint import fit
from nasvit_mm.families.vitas_twins import space as facts
from nasvit_mm.spaces import IDENTITY, Space

# Beginnings of keys in these weights.
KEYS = ('patch_embeds.0.proj.', 'pos_block.0.proj.0.', 'blocks.0.0.attn.qkv.')
# Their name -> our name.
RENAMES = (
    (r'^patch_embeds\.', 'backbone.embeds.'),
    (r'^pos_block\.(\d)\.proj\.0\.', r'backbone.pegs.\1.'),
    (r'^norm_list\.', 'backbone.stage_norms.'),
    (r'^head\.', 'head.classifier.'),
    (r'^norm\.', 'head.norm.'),
    (r'^blocks\.', 'backbone.stages.'),
    (r'\.attn\.sr\.', '.attn.reduce.'),
)
ATTENTION = re.compile(r'^blocks\.(\d+)\.(\d+)\.attn\.(qkv|q|kv)\.(weight|bias)$')


def is_extracted(weights: Mapping[str, torch.Tensor]) -> bool:
    """Return True, because there are only single networks."""
    return True


def rename(weights: Mapping[str, torch.Tensor], space: Space) -> dict[str, torch.Tensor]:
    """Return their tensors under our names.

    Raises:
        ValueError: the weights are not Twins-SVT's, no architecture is given, or depths differ.
    """
    check_keys(weights, 'Twins-SVT', KEYS)
    if not space.is_single:
        raise ValueError(
            'these are the weights of one Twins network, and there is no supernet of '
            f'them: give its arch (one of {", ".join(space.named)})'
        )
    arch = space.largest
    places = {(int(m[1]), int(m[2])) for m in map(ATTENTION.match, weights) if m}
    wanted = {facts.SLOTS[i] for i, h in enumerate(arch.heads) if h != IDENTITY}
    if places != wanted:

        def depths(blocks: set) -> list[int]:
            return [sum(stage == i for stage, _ in blocks) for i in range(len(facts.STAGES))]

        raise ValueError(
            f'the checkpoint has {depths(places)} blocks in its stages, {arch} has {depths(wanted)}'
        )
    out = {}
    for key, tensor in weights.items():
        attention = ATTENTION.match(key)
        if attention is None:
            for pattern, replacement in RENAMES:
                key = re.sub(pattern, replacement, key)
            out[key] = tensor
            continue
        stage, block, names, kind = attention.groups()
        heads = arch.heads[facts.SLOTS.index((int(stage), int(block)))]
        for name, part in zip(names, tensor.chunk(len(names))):
            private = '' if name == 'v' else f'.{heads}'
            out[f'backbone.stages.{stage}.{block}.attn.{name}{private}.{kind}'] = part
    return out


CONVERTER = Converter(rename, fit, is_extracted)
