"""The card of an export: what the subnet is, costs, and where it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nasvit_mm.dense import SearchedModel, Size, head_types
from nasvit_mm.spaces import Arch, get_space
from nasvit_mm.version import __version__

WEIGHTS, ARCH, CONFIG, CARD = 'weights.pth', 'arch.json', 'config.py', 'README.md'


def card_text(
    folder: Path, task: SearchedModel, arch: Arch, size: Size, norms: str, origin: Mapping[str, Any]
) -> str:
    """Write the card.

    Args:
        folder: of the export, as its commands name it.
        size: (H, W) of the costs.
        norms: one sentence about the batch norm statistics.
        origin: more lines, by their names.
    """
    genes = task.space.genes([arch])
    costs = {
        name: getattr(task, part)(genes, size)
        for name, part in (
            ('backbone', 'backbone'),
            ('neck and head', 'head'),
            ('**total**', 'total'),
        )
    }
    model = task.cfg.model
    lines = [
        f'# {model.type} with a searched backbone of {arch.space}',
        '',
        '```',
        str(arch),
        '```',
        '',
        f'| at {size[0]} x {size[1]} | MACs | parameters |',
        '|---|---:|---:|',
    ]
    lines += [
        f'| {name} | {cost.macs[0] / 1e9:.3f} G | {cost.params[0] / 1e6:.2f} M |'
        for name, cost in costs.items()
    ]
    lines += [
        '',
        f'Neck and head: {", ".join(head_types(model))}. MACs: multiply-adds, with attention.',
        '',
        '## Weights',
        '',
        norms,
        '',
        '## Where it comes from',
        '',
    ]
    lines += [f'- {key}: {value}' for key, value in origin.items()]
    lines += [
        f'- written by nasvit_mm {__version__}, torch {torch.__version__}',
        '- weights stay under the licence of the supernet they were sliced out of',
        '',
        '## Use',
        '',
        '```',
        f'python tools/train.py {folder / CONFIG}',
        f'python tools/test.py {folder / CONFIG} {folder}/train/CHECKPOINT.pth',
        '```',
        '',
        f'`{ARCH}` alone is a value of `arch=` of the backbone{_beside(task, arch)}.',
        '',
    ]
    return '\n'.join(lines)


def _beside(task: SearchedModel, arch: Arch) -> str:
    """Say what the backbone needs besides an architecture that the whole space does not have."""
    space = get_space(arch.space)
    if arch.to_dict() in space:
        return ''
    resolution = [arch['resolution']]
    return f', with `space={dict(space=space.name, restrict=dict(resolution=resolution))}`'


def metrics_line(metrics: Mapping[str, float]) -> str:
    """Return metrics in a line: ``mIoU 47.8, macs 4.97e+09``."""
    return ', '.join(f'{k} {v:.6g}' for k, v in metrics.items())


def supernet_digests(text: str) -> list[str]:
    """Return the digests of supernets that a card, or a line of it, names."""
    return re.findall(r'sha256 (\w+)', text)
