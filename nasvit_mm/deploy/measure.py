"""Time and memory of calls on the user's device."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

CLOCK_RISES = 0.5  # seconds of work after which a GPU that was idle runs at its full clock


def measure_seconds(
    calls: Mapping[str, Callable[[], Any]],
    rounds: int,
    warmup: int = 3,
    device: torch.device | str = 'cpu',
) -> dict[str, np.ndarray]:
    """Time calls in turn, round after round, so that drift of the machine hits all alike.

    Args:
        calls: name -> what to time.
        rounds: timed calls of each.
        warmup: calls of each before the first is timed; on a GPU also as many as take half a
            second, in which its clock rises.
        device: where they run; work that they start on a GPU is waited for.

    Returns:
        name -> seconds of every round, (rounds,).
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    device = torch.device(device)

    def timed(call: Callable[[], Any]) -> float:
        start = time.perf_counter()
        call()
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    with torch.inference_mode():
        for call in calls.values():
            for _ in range(warmup):
                timed(call)
            left = CLOCK_RISES if device.type == 'cuda' else 0.0
            while left > 0:
                left -= timed(call)
        for _ in range(rounds):
            for name, call in calls.items():
                times[name].append(timed(call))
    return {name: np.array(seconds) for name, seconds in times.items()}


def device_name(device: str) -> str:
    """Return the name of a GPU, or of this machine's CPU as Linux knows it."""
    if device.startswith('cuda'):
        return torch.cuda.get_device_name(device)
    path = Path('/proc/cpuinfo')
    lines = path.read_text().splitlines() if path.exists() else []
    names = (line.split(':')[1].strip() for line in lines if line.startswith('model name'))
    return next(names, 'cpu')


class PeakMemory:
    """The most memory in use inside the ``with`` above that at its start, as `above`, in bytes.

    On a GPU what torch's allocator handed out; else the resident memory of the process (Linux),
    looked at every 2 ms.  On a CPU memory that torch kept from an earlier call does not show: take
    the first call of its size.
    """

    def __init__(self, device: torch.device | str = 'cpu') -> None:
        self.device = torch.device(device)
        self.above = 0

    def __enter__(self) -> PeakMemory:
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)
            self._start = torch.cuda.memory_allocated(self.device)
        else:
            self._start, self._done = _resident(), threading.Event()
            self._thread = threading.Thread(target=self._watch)
            self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self.above = max(self.above, _resident() - self._start)

    def __exit__(self, *error: object) -> None:
        if self.device.type == 'cuda':
            self.above = torch.cuda.max_memory_allocated(self.device) - self._start
        else:
            self._done.set()
            self._thread.join()


def _resident() -> int:
    pages = int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1])
    return pages * resource.getpagesize()
