"""Building a latency table by PyTorch: blocks are timed where they run, inside whole models."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from nasvit_mm.backbones import ElasticBackbone
from nasvit_mm.dense import SearchedModel, Size, build_model
from nasvit_mm.deploy.latency_table import LatencyTable, about_task, block_key, checked, fit_rest
from nasvit_mm.deploy.measure import device_name
from nasvit_mm.deploy.onnx import Logits
from nasvit_mm.spaces import Arch

WARMUP = 2  # calls that are not timed
POOL = 2000  # random candidates out of which those to be measured are chosen
Progress = Callable[[int, int], None]


def build_latency_table(
    task: SearchedModel,
    size: Size,
    device: str = 'cpu',
    networks: int = 64,
    unseen: int = 30,
    rounds: int = 10,
    batch_size: int = 1,
    progress: Progress | None = None,
) -> LatencyTable:
    """Measure blocks where they run: inside whole models, as they are deployed.

    Architectures are chosen so that they show as many different blocks as they can; further random
    ones tell how well the table predicts.  These are measured twice, some minutes apart: no table
    can be expected to predict a device better than the device repeats itself.  Every timed call
    comes right after one of the smallest network, and counts by the ratio of the two, so that a
    machine that is slower for a while (its clock, its other users) does not make some candidates
    look slow.

    Args:
        size: (H, W) of the images.
        networks: models to build and measure.
        unseen: more models, for the check; 0: none.
        rounds: timed calls of each.
        progress: ``progress(done, of)``.
    """
    of = about_task(task, size)
    space, known, rests, chosen = task.space, {}, [], list(islice(covering(task), networks))
    strangers = [a for a in space.sample_usable(1, 4 * unseen) if a not in set(chosen)][:unseen]
    twice = strangers * 2
    shape = (batch_size, task.net.in_channels, *size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    stopwatch = _Stopwatch(task, images.to(device), rounds)

    def report(done: int) -> None:
        if progress:
            progress(done, len(chosen) + len(twice))

    for i, arch in enumerate(chosen):
        total, blocks = stopwatch.measure(arch)
        for block, time_ in zip(task.net.blocks_of(arch), blocks, strict=True):
            known.setdefault(block_key(block), []).append(time_)
        rests.append(total - sum(blocks))
        report(i + 1)
    about = dict(
        of,
        batch_size=batch_size,
        device=device_name(device),
        threads=torch.get_num_threads(),
        runtime='torch',
        precision='fp32',
        version=torch.__version__,
        networks=len(chosen),
    )
    table = LatencyTable(
        task,
        about,
        {k: median(v) for k, v in sorted(known.items())},
        fit_rest(task, space.genes(chosen), size, np.array(rests)),
        {},
    )
    if strangers:
        found = []
        for i, arch in enumerate(twice):
            found.append(stopwatch.measure(arch)[0])
            report(len(chosen) + i + 1)
        first, second = np.array(found).reshape(2, -1)
        table.check.update(checked(table.milliseconds(space.genes(strangers)), first, second))
    return table


# ---------------------------------------------------------------------- measuring
class _Stopwatch:
    """Times models of a task, each call beside one of a reference."""

    def __init__(self, task: SearchedModel, images: torch.Tensor, rounds: int) -> None:
        self.task, self.images, self.rounds = task, images, rounds
        self.reference = self._built(task.space.smallest)
        times = [self._timed(*self.reference)[0] for _ in range(WARMUP + 3 * rounds)]
        self.usual = median(times[WARMUP:])

    def measure(self, arch: Arch) -> tuple[float, list[float]]:
        """Milliseconds of a model, and of its blocks in the order of their run; medians."""
        model, totals, blocks = self._built(arch), [], []
        for round_ in range(-WARMUP, self.rounds):
            now = self._timed(*self.reference)[0]
            total, parts = self._timed(*model)
            if round_ >= 0:
                totals.append(total / now)
                blocks.append([part / now for part in parts])
        return (self.usual * median(totals), [self.usual * median(times) for times in zip(*blocks)])

    def _built(self, arch: Arch) -> tuple[nn.Module, _Clock]:
        model = build_model(self.task.config(arch)).to(self.images.device)
        clock = _Clock(model.backbone, self.images.device)
        return Logits(model, tuple(self.images.shape[2:])), clock

    @torch.inference_mode()
    def _timed(self, call: nn.Module, clock: _Clock) -> tuple[float, list[float]]:
        clock.begin()
        call(self.images)
        return clock.end()


class _Clock:
    """Times whole calls and the blocks in them."""

    def __init__(self, backbone: ElasticBackbone, device: torch.device) -> None:
        self.device, self.cuda, self.spans = device, device.type == 'cuda', []

        def run(block: nn.Module, x: torch.Tensor, *args: Any) -> torch.Tensor:
            start = self._now()
            out = block(x, *args)
            self.spans.append((start, self._now()))
            return out

        backbone.run_block = run  # of this one model, which is thrown away

    def _now(self) -> Any:
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def begin(self) -> None:
        self.spans = []
        self.start = self._now()

    def end(self) -> tuple[float, list[float]]:
        whole = (self.start, self._now())
        if self.cuda:
            torch.cuda.synchronize(self.device)
        return self._between(*whole), [self._between(*span) for span in self.spans]

    def _between(self, start: Any, end: Any) -> float:
        return start.elapsed_time(end) if self.cuda else 1e3 * (end - start)


def covering(task: SearchedModel) -> Iterator[Arch]:
    """Yield architectures, one after the other the one that shows most blocks not shown before."""
    space = task.space
    genes = np.concatenate(
        [space.uniform_genes(0, POOL), space.genes([space.smallest, space.largest])]
    )
    pool = space.from_genes(genes[space.usable(genes)])
    shown, seen = [set(task.net.blocks_of(arch)) for arch in pool], set()
    while pool:
        best = max(range(len(pool)), key=lambda i: len(shown[i] - seen))
        seen |= shown.pop(best)
        yield pool.pop(best)
