"""What the timing scripts share: their arguments, medians of calls timed in turn."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import numpy as np

from nasvit_mm.deploy import measure_seconds


def parser(description: str) -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    out.add_argument('--rounds', type=int, default=30, help='timed calls of each candidate')
    out.add_argument('--threads', type=int, default=2)
    return out


def medians(
    calls: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 3
) -> dict[str, float]:
    """Median seconds of every call."""
    seconds = measure_seconds(calls, rounds, warmup)
    return {name: float(np.median(times)) for name, times in seconds.items()}
