"""A quick evaluator for tests of the search, whose figures are a function of the architecture."""
from __future__ import annotations

import os
import time
from pathlib import Path

from nasvit_mm.registry import SUBNET_EVALUATORS
from nasvit_mm.search import SubnetEvaluator


@SUBNET_EVALUATORS.register_module(force=True)
class Toy(SubnetEvaluator):
    """Larger is better, up to a point.

    Args:
        log: file that gets a line for every call.
        seconds: how long a call takes.
        die: this file's first finder ends its own process, as a worker that is lost.
    """

    def __init__(self, space, log: str | None = None, seconds: float = 0.0,
                 die: str | None = None) -> None:
        super().__init__(space)
        self.log, self.seconds, self.die = log, seconds, die

    def __call__(self, arch) -> dict[str, float]:
        time.sleep(self.seconds)
        if self.die is not None and Path(self.die).exists():
            Path(self.die).unlink()
            os._exit(1)
        if self.log is not None:
            with Path(self.log).open('a') as file:
                file.write(f'{arch}\n')
        genes = self.space.genes(arch)
        return dict(score=float((genes * (2 + genes % 3)).sum()) / 7, other=1 / 3)
