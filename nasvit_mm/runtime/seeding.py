"""Randomness of a training step as a function of its place, not of what ran before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info
from mmengine.hooks import Hook

from nasvit_mm.data import seed_everything
from nasvit_mm.registry import HOOKS


@HOOKS.register_module()
class SeedIterations(Hook):
    """Seeds dropout, drop path and all else that a step draws by iteration and process.

    With ``randomness.deterministic`` a validation, which trains nothing, may use kernels that are
    not deterministic (on a GPU the histograms of mmseg's IoU); torch warns and names them.
    """

    priority = 'VERY_HIGH'

    def before_val(self, runner: Any) -> None:
        if torch.are_deterministic_algorithms_enabled():
            torch.use_deterministic_algorithms(True, warn_only=True)

    before_test = before_val

    def after_val(self, runner: Any) -> None:
        if torch.are_deterministic_algorithms_enabled():
            torch.use_deterministic_algorithms(True)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        rank, _ = get_dist_info()
        seed_everything(runner.seed, runner.iter, rank)


@contextmanager
def kept_randomness() -> Iterator[None]:
    """Restore the global generators after the block, whatever it draws or seeds."""
    before = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
