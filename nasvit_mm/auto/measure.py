"""How long a training step of a supernet takes here, by doing some."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn

from nasvit_mm.building import read_file
from nasvit_mm.compat import keep_freed_memory
from nasvit_mm.dense import build_model
from nasvit_mm.runtime import with_starter


class StepTime(NamedTuple):
    """Seconds.

    Attributes:
        step: of a training step of the supernet, all its subnets.
        forward: of the largest network, forwards, over a batch.
    """

    step: float
    forward: float


def measure_step(config: Path) -> StepTime:
    """Train a supernet for some steps on its own data; its weights are thrown away.

    That is done in a process of its own: some GB of memory would stay with this one for hours.

    Args:
        config: of the supernet.
    """
    done = subprocess.run(
        [sys.executable, '-m', 'nasvit_mm.auto.measure', str(config)],
        text=True,
        capture_output=True,
        env={**os.environ, **with_starter()},
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        sys.exit(done.returncode)
    return StepTime(*json.loads(done.stdout.splitlines()[-1]))


def time_step(config: Path, repeats: int = 2) -> StepTime:
    """Do what :func:`measure_step` says, in this process.

    Args:
        config: of the supernet.
        repeats: steps after the first; the quickest counts.
    """
    cfg = read_file(config)
    init_default_scope(cfg.default_scope)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    model = build_model(cfg)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if device == 'cpu':
        keep_freed_memory()  # as a training does
    model.to(device).train()
    batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
    wrapper = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-6))
    model.train_step(batch, wrapper)
    step = min(_timed(lambda: model.train_step(batch, wrapper), device) for _ in range(repeats))
    model.eval()
    return StepTime(step, _timed(lambda: _forward(model, batch), device))


def _forward(model: nn.Module, batch: dict) -> None:
    inner = model.model
    model.set_arch(inner.backbone.space.largest)
    with torch.no_grad():
        inputs = inner.data_preprocessor(batch, True)['inputs']
        inner(inputs, mode='tensor')


def _timed(call: object, device: str) -> float:
    start = time.perf_counter()
    call()
    if device == 'cuda':
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == '__main__':
    sys.stdout.write(f'\n{json.dumps(time_step(Path(sys.argv[1])))}\n')
