"""A quick evaluator for tests of the search, whose figures are a function of the architecture."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from nasvit_mm.registry import SUBNET_EVALUATORS
from nasvit_mm.search import SubnetEvaluator


def fail() -> None:
    raise RuntimeError('boom\nmore of it')


class Own(BaseException):
    """What a library of a user raises."""


def fail_otherwise() -> None:
    raise Own('boom')


SLOW = 0.5
HARMS = {
    'raise': fail,
    'raise otherwise': fail_otherwise,
    'exit': lambda: sys.exit(3),
    'leave': lambda: os._exit(4),
    'kill': lambda: os.kill(os.getpid(), signal.SIGKILL),
    'hang': lambda: time.sleep(1000),
}


@SUBNET_EVALUATORS.register_module(force=True)
class Toy(SubnetEvaluator):
    """Larger is better, up to a point.

    Args:
        log: file that gets a line for every call.
        seconds: how long a call takes.
        die: a file that does not exist; once ``die_after`` calls are logged, the process that makes
            it ends, as a worker that is lost.
        harm: what it does on a bad candidate, one of :data:`HARMS`.
        bad: a candidate is bad if its sum of genes is a multiple of that.
        ready: seconds until it is built.
        slow: a file that does not exist; the process that makes it takes ``SLOW`` seconds longer
            for each call, and writes a line for it there.
    """

    shares = True

    def __init__(
        self,
        space,
        log: str | None = None,
        seconds: float = 0.0,
        die: str | None = None,
        die_after: int = 15,
        harm: str | None = None,
        bad: int = 7,
        ready: float = 0.0,
        slow: str | None = None,
    ) -> None:
        super().__init__(space)
        time.sleep(ready)
        self.harm, self.bad = harm, bad
        self.slow = None
        if slow is not None:
            with suppress(FileExistsError):
                Path(slow).touch(exist_ok=False)
                self.slow = Path(slow)
        self.log, self.seconds, self.die, self.die_after = log, seconds, die, die_after

    def __call__(self, arch) -> dict[str, float]:
        time.sleep(self.seconds)
        if self.die is not None and self._calls() >= self.die_after:
            with suppress(FileExistsError):
                Path(self.die).touch(exist_ok=False)
                os._exit(1)
        if self.log is not None:
            with Path(self.log).open('a') as file:
                file.write(f'{arch}\n')
        if self.slow is not None:
            time.sleep(SLOW)
            with self.slow.open('a') as file:
                file.write(f'{arch}\n')
        genes = self.space.genes(arch)
        if self.harm is not None and genes.sum() % self.bad == 0:
            HARMS[self.harm]()
        return dict(score=float((genes * (2 + genes % 3)).sum()) / 7, other=1 / 3)

    def look(self, arch, share: float) -> dict[str, float]:
        """By a share of the images it is wrong, the more the less it sees."""
        if self.log is not None:
            with Path(self.log).open('a') as file:
                file.write(f'{share} of {arch}\n')
        genes = self.space.genes(arch)
        if self.harm is not None and genes.sum() % self.bad == 0:
            HARMS[self.harm]()
        wrong = (1 - share) * (genes.sum() % 5)
        return dict(score=float((genes * (2 + genes % 3)).sum()) / 7 + wrong, other=1 / 3)

    def _calls(self) -> int:
        path = Path(self.log)
        return len(path.read_text().splitlines()) if path.exists() else 0
