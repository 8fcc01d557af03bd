"""Memory of a training step on a GPU that is not there, and the batch that a card holds.

    python benchmarks/training_memory.py

Whole models of configs/, a batch of 2: a segmentor's losses at 512 x 1024, and backbone, neck and
head of a detector at 800 x 1344 (without the assignment of boxes, which goes by values); backward;
AdamW.  torch's fake CUDA tensors hold shapes alone; what is alive is added up, in the allocator's
blocks of 512 bytes.  Not in it are CUDA's context, cuDNN's workspaces and what the allocator loses
between blocks: so a card counts with 90 % of its memory.  The batch that it holds is extrapolated
from batches of 4 and 8.  ``--check`` compares a step with torch's own ``MemTracker``, which takes
ten times as long.

*Before* is attention by plain products that keep all scores for the backward; *after* it is fused
(by the memory-efficient kernel) where the family can, and else long scores are computed again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from _runs import ROOT
from mmengine.structures import PixelData
from torch import nn
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

sys.path.insert(0, str(ROOT))

from nasvit_mm.dense import build_model
from nasvit_mm.files import write_text
from nasvit_mm.nn import attention
from nasvit_mm.runtime import read_config
from tests.test_gpu.fake import GPU, autocast, fake_gpu

SEGMENTATION, DETECTION = (512, 1024), (800, 1344)
GLOBAL = {'model.backbone.attention': 'global'}
CASES: list[tuple[str, dict[str, Any], tuple[int, int]]] = [
    ('seg/nasvit_cityscapes', {}, SEGMENTATION),
    ('seg/nasvit_cityscapes_large', {}, SEGMENTATION),
    ('seg/nasvit_cityscapes_large', GLOBAL, SEGMENTATION),
    ('seg/elasticvit_cityscapes', {}, SEGMENTATION),
    ('seg/elasticvit_ade20k', {}, SEGMENTATION),
    ('seg/vitas_cityscapes', {}, SEGMENTATION),
    ('seg/vitas_deit_ade20k', {}, SEGMENTATION),
    ('det/nasvit_rtmdet_coco', {}, DETECTION),
    ('det/nasvit_coco', {}, DETECTION),
    ('det/elasticvit_rtmdet_coco', {}, DETECTION),
    ('det/elasticvit_coco', {}, DETECTION),
    ('det/vitas_coco', {}, DETECTION),
]
CARDS = 24, 80  # GiB
USABLE = 0.9  # of a card's memory
BLOCK = 512  # bytes, of CUDA's allocator


@contextlib.contextmanager
def plain_attention() -> Iterator[None]:
    """Have no fused kernel, and no scores computed twice."""

    def plain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: Any, padding: Any) -> Any:
        scores = q @ k.transpose(2, 3)
        if bias is not None:
            scores = scores + bias
        if padding is not None:
            scores = scores.masked_fill(padding, float('-inf'))
        return scores.softmax(-1) @ v

    with (
        mock.patch.object(attention, 'attend_fused', plain),
        mock.patch.object(attention, 'TRAINED_ELEMENTS', float('inf')),
    ):
        yield


@contextlib.contextmanager
def fused_attention() -> Iterator[None]:
    """Have torch's memory-efficient kernel where fake tensors would take plain products."""

    def fused(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Any = None, scale: float = 1.0
    ) -> torch.Tensor:
        if torch.is_autocast_enabled(GPU):
            kind = torch.get_autocast_dtype(GPU)
            q, k, v = q.to(kind), k.to(kind), v.to(kind)
        if mask is not None:
            if mask.dtype is torch.bool:
                mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill(~mask, float('-inf'))
            mask = mask.to(q.dtype).expand(*q.shape[:3], k.shape[2])
        kernel = torch.ops.aten._scaled_dot_product_efficient_attention
        return kernel(q, k, v, mask, True, scale=scale)[0]

    with mock.patch.object(F, 'scaled_dot_product_attention', fused):
        yield


class Alive(TorchDispatchMode):
    """Adds up the storages of fake CUDA tensors that are alive.

    Attributes:
        bytes: that are alive now.
        peak: the most that were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self.known = WeakIdKeyDictionary()

    def add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if tensor.device.type == GPU and storage not in self.known:
            held = -(-storage.nbytes() // BLOCK) * BLOCK
            self.known[storage] = weakref.finalize(storage, self.free, held)
            self.bytes += held
            self.peak = max(self.peak, self.bytes)

    def free(self, held: int) -> None:
        self.bytes -= held

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self.add(tensor)
        return out


def step(
    net: nn.Module, batch: int, size: tuple[int, int], precision: str, check: bool = False
) -> float:
    """Train one step, and return the peak of what is alive, bytes.

    The optimizer's moments are there from the start, as from the second step on.
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, foreach=True)
    for p in net.parameters():
        moments = dict(exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
        optimizer.state[p] = dict(step=torch.tensor(1.0), **moments)
    images = torch.randn(batch, 3, *size, device=GPU)
    tracker = MemTracker() if check else Alive()
    if check:
        tracker.track_external(net, optimizer, images)
    else:
        moments = [m for state in optimizer.state.values() for m in state.values()]
        for tensor in (*net.parameters(), *net.buffers(), *moments, images):
            tracker.add(tensor)
    with tracker:
        loss_of(net, images, precision).backward()
        optimizer.step()
    net.zero_grad()
    if not check:
        return tracker.peak
    held = tracker.get_tracker_snapshot('peak')
    return next(sizes['Total'] for device, sizes in held.items() if device.type == GPU)


def loss_of(net: nn.Module, images: torch.Tensor, precision: str) -> torch.Tensor:
    with autocast(precision):
        maps = net.extract_feat(images)
        outputs = (net.decode_head if hasattr(net, 'decode_head') else net.bbox_head)(maps)
    if hasattr(net, 'decode_head'):
        labels = samples(len(images), images.shape[-2:])
        return net.decode_head.loss_by_feat(outputs.float(), labels)['loss_ce']
    return sum(m.float().mean() for kind in outputs for m in kind)


def samples(batch: int, size: Sequence[int]) -> list[Any]:
    from mmseg.structures import SegDataSample

    found = [SegDataSample() for _ in range(batch)]
    for sample in found:
        labels = torch.zeros((1, *size), dtype=torch.long, device=GPU)
        sample.gt_sem_seg = PixelData(data=labels)
    return found


def measure(config: str, options: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """Return bytes at a batch of 2, before and after, and the largest batch of each card."""
    cfg = read_config(str(ROOT / f'configs/{config}.py'), options)
    row: dict[str, Any] = dict(config=config, options=options, size=size)
    for precision in ('fp32', 'bf16'):
        for name, how in (('before', plain_attention), ('after', fused_attention)):
            with how(), fake_gpu():
                net = build_model(cfg.copy()).train().to(GPU)
                held = partial(step, net, size=size, precision=precision)
                row[f'{precision} {name}'] = held(2)
                if name == 'after':
                    four, eight = held(4), held(8)
                    row[f'{precision} batches'] = [
                        largest(USABLE * card * 2**30, four, eight) for card in CARDS
                    ]
    return row


def largest(room: float, four: float, eight: float) -> int:
    """Return the largest batch within ``room`` bytes, by a line through those of 4 and of 8."""
    return int(4 + (room - four) / ((eight - four) / 4))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--out', type=Path, default='work_dirs/training_memory.json', help='written row by row'
    )
    parser.add_argument('--check', action='store_true', help='the first case by both trackers')
    args = parser.parse_args()
    if args.check:
        config, options, size = CASES[0]
        with fake_gpu():
            cfg = read_config(str(ROOT / f'configs/{config}.py'), options)
            net = build_model(cfg).train().to(GPU)
            ours, theirs = (step(net, 2, size, 'fp32', check) / 2**30 for check in (False, True))
        print(f'{config}: {ours:.3f} GiB; by MemTracker {theirs:.3f}')
        return
    rows: list[dict[str, Any]] = json.loads(args.out.read_text()) if args.out.is_file() else []
    for config, options, size in CASES[len(rows) :]:
        rows.append(measure(config, options, size))
        write_text(args.out, json.dumps(rows, indent=2) + '\n')
        print(line(rows[-1]), flush=True)


def line(row: dict[str, Any]) -> str:
    """Return a row of the table of docs/benchmarks/speed.md."""
    name = f'`{row["config"]}`' + (', global attention' if row['options'] else '')
    cells = [f'{name}, {row["size"][0]} x {row["size"][1]}']
    for precision in ('fp32', 'bf16'):
        before, after = (row[f'{precision} {w}'] / 2**30 for w in ('before', 'after'))
        batches = row[f'{precision} batches']
        cells += [f'{before:.2f} / {after:.2f} GiB', ' / '.join(map(str, batches))]
    return '| ' + ' | '.join(cells) + ' |'


if __name__ == '__main__':
    main()
