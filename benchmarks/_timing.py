"""Paired timing: all candidates in turn, round after round, so that drift hits them alike."""
from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping

import torch


def parser(description: str) -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(description=description)
    out.add_argument('--rounds', type=int, default=30, help='timed calls of each candidate')
    out.add_argument('--threads', type=int, default=2)
    return out


def medians(calls: Mapping[str, Callable[[], object]], rounds: int,
            warmup: int = 3) -> dict[str, float]:
    """Median seconds of every call."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    with torch.inference_mode():
        for call in calls.values():
            for _ in range(warmup):
                call()
        for _ in range(rounds):
            for name, call in calls.items():
                start = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - start)
    return {name: sorted(t)[len(t) // 2] for name, t in times.items()}
