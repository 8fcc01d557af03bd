"""The card of an export: what the subnet is, costs, and where it comes from."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nasvit_mm.dense import SearchedModel, Size, head_types
from nasvit_mm.errors import printable
from nasvit_mm.spaces import HEAD, OUTPUTS, SCALE, TAPS, Arch, get_space
from nasvit_mm.spaces.geometry import scaled
from nasvit_mm.version import __version__

WEIGHTS, ARCH, CONFIG, CARD = 'weights.pth', 'arch.json', 'config.py', 'README.md'


def card_text(
    folder: Path,
    task: SearchedModel,
    arch: Arch,
    size: Size,
    norms: str,
    calibrated: bool,
    origin: Mapping[str, Any],
) -> str:
    """Write the card: names of files and classes are text in it, neither Markdown nor HTML.

    Args:
        folder: of the export, as its commands name it.
        size: (H, W) of the costs.
        norms: one sentence about the batch norm statistics.
        calibrated: whether they are this subnet's; else the sentence is a warning.
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
    model, norms = task.cfg.model, literal(norms)
    lines = [
        f'# {literal(model.type)} with a searched backbone of {arch.space}',
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
    lines += ['', *_genes_of_task(task, arch, size)]
    lines += [
        f'Neck and head: {literal(", ".join(head_types(model)))}. MACs: multiply-adds, with '
        'attention.',
        '',
        '## Weights',
        '',
        norms if calibrated else f'**{norms}**',
        '',
        '## Where it comes from',
        '',
    ]
    lines += [f'- {literal(key)}: {literal(value)}' for key, value in origin.items()]
    lines += [
        f'- written by nasvit_mm {__version__}, torch {torch.__version__}',
        '- weights stay under the licence of the supernet they were sliced out of',
        '',
        '## Use',
        '',
        '```',
        f'python tools/train.py {_argument(folder / CONFIG)}',
        f'python tools/test.py {_argument(folder / CONFIG)} '
        f'{_argument(folder / "train/CHECKPOINT.pth")}',
        '```',
        '',
        f'`{ARCH}` alone is a value of `arch=` of the backbone{_beside(task, arch)}.',
        '',
    ]
    return '\n'.join(lines)


def _genes_of_task(task: SearchedModel, arch: Arch, size: Size) -> list[str]:
    """Return lines on the values of the genes of the task, none where it has none."""
    chosen = task.space.split(arch)[1]
    lines = []
    if SCALE in chosen:
        at = ' x '.join(str(scaled(side, chosen[SCALE])) for side in size)
        lines.append(
            f'The backbone computes at {chosen[SCALE]} % of the image, {at}; predictions are at '
            'the size of the image.'
        )
    if TAPS in chosen:
        lines.append(f'Its taps have {chosen[TAPS]} channels.')
    if HEAD in chosen:
        lines.append(f'The head has {chosen[HEAD]} channels.')
    if OUTPUTS in chosen:
        lines.append(f'The head takes the {chosen[OUTPUTS]} coarsest of its maps.')
    return [' '.join(lines), ''] if lines else []


def literal(value: Any) -> str:
    """Return a value as one line of Markdown that shows it as it is."""
    text = html.escape(printable(str(value)).replace('\n', ' '), quote=False)
    return re.sub(r'([\\`*\[\]|])', r'\\\1', text)


def _argument(path: Path) -> str:
    """Return a path as a shell takes it, in one line."""
    return printable(shlex.quote(str(path))).replace('\n', '\\n')


def _beside(task: SearchedModel, arch: Arch) -> str:
    """Say what the backbone needs besides an architecture that the whole space does not have."""
    space, (own, _) = get_space(arch.space), task.space.split(arch)
    if own in space:
        return ''
    resolution = [arch['resolution']]
    return f', with `space={dict(space=space.name, restrict=dict(resolution=resolution))}`'


def metrics_line(metrics: Mapping[str, float]) -> str:
    """Return metrics in a line: ``mIoU 47.8, macs 4.97e+09``."""
    return ', '.join(f'{k} {v:.6g}' for k, v in metrics.items())


def supernet_digests(text: str) -> list[str]:
    """Return the digests of supernets that a card, or a line of it, names."""
    return re.findall(r'sha256 (\w+)', text)
