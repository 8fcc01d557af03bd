"""Where candidates are evaluated: in this process, or in the workers of an executor.

A third place, the ranks of a launcher, is in ``ranks.py``.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from multiprocessing import get_context
from typing import Any, Protocol

from nasvit_mm.errors import UsageError
from nasvit_mm.search.evaluators.base import Evaluators, EvaluatorSpec

RETRIES = 3  # rounds in which every worker was lost
VISIBLE = 'CUDA_VISIBLE_DEVICES'

Specs = tuple[EvaluatorSpec, ...]
Arch = Mapping[str, Any]  # as of Arch.to_dict()
Result = tuple[int, dict[str, float]]


class Backend(Protocol):
    """Where candidates are evaluated."""

    def run(self, specs: Specs, archs: Sequence[Arch]) -> Iterator[Result]:
        """Yield (place among ``archs``, metrics) of every candidate once, in whatever order they
        are ready.

        Raises:
            UsageError: of an evaluator.
        """


class InProcess:
    """Evaluate one after another, in this process; the evaluators are built once and held."""

    def __init__(self) -> None:
        self.evaluators: Evaluators | None = None

    def measure(self, specs: Specs, arch: Arch) -> dict[str, float]:
        """Return the metrics of one candidate."""
        if self.evaluators is None or self.evaluators.specs != specs:
            self.evaluators = Evaluators(specs)
        return self.evaluators(arch)

    def run(self, specs: Specs, archs: Sequence[Arch]) -> Iterator[Result]:
        for place, arch in enumerate(archs):
            yield place, self.measure(specs, arch)


# ---------------------------------------------------------------------- in a worker
# One evaluator serves all threads of a process; it seeds generators and takes prints that are the
# process's.
_LOCK = threading.Lock()
_built = lru_cache(maxsize=2)(Evaluators)


def evaluate(specs: Specs, arch: Arch) -> dict[str, float]:
    """Measure a candidate in a worker: evaluators are built once in each process, and its threads
    take turns.
    """
    with _LOCK:
        return _built(specs)(arch)


# ---------------------------------------------------------------------- an executor
class OnExecutor:
    """Evaluate in the workers of a ``concurrent.futures`` executor (Dask's and loky's too).

    Args:
        executor: one whose workers have this package, or what makes one, which is called again
            where a lost worker leaves the executor broken.
        lost: exceptions that mean a lost worker, not a wrong candidate; those are tried again.
    """

    def __init__(
        self, executor: Executor | Callable[[], Executor], lost: Sequence[type[BaseException]] = ()
    ) -> None:
        self._make = None if hasattr(executor, 'submit') else executor
        self.executor = executor if self._make is None else self._make()
        self.lost = tuple(lost)

    @classmethod
    def processes(cls, workers: int) -> OnExecutor:
        """Use processes of this machine, each on a GPU of its own as far as there are several."""
        return cls(partial(process_pool, workers), [BrokenProcessPool])

    def run(self, specs: Specs, archs: Sequence[Arch]) -> Iterator[Result]:
        """See :class:`Backend`.

        Raises:
            UsageError: round after round nothing but lost workers.
        """
        waiting, tries = list(range(len(archs))), 0
        while waiting:
            futures = self._submit(specs, archs, waiting)
            done = set()
            try:
                for future in as_completed(futures):
                    try:
                        yield futures[future], future.result()
                    except self.lost:
                        continue
                    done.add(futures[future])
            except BaseException:
                for future in futures:
                    future.cancel()
                raise
            waiting, tries = [p for p in waiting if p not in done], 0 if done else tries + 1
            if tries > RETRIES:
                raise UsageError(
                    f'{len(waiting)} candidates lost their worker {tries} times, the '
                    f'first: {json.dumps(archs[waiting[0]])}; does a worker have '
                    'too little memory?'
                )
            if waiting and self._make is not None:
                self.executor.shutdown(cancel_futures=True)
                self.executor = self._make()

    def _submit(
        self, specs: Specs, archs: Sequence[Arch], places: Sequence[int]
    ) -> dict[Future, int]:
        """Return future -> place; of those only that a broken executor still took."""
        futures = {}
        try:
            for place in places:
                futures[self.executor.submit(evaluate, specs, archs[place])] = place
        except self.lost:
            pass
        return futures

    def close(self) -> None:
        """End the executor that was made here."""
        if self._make is not None:
            self.executor.shutdown()


def process_pool(workers: int, gpus: Sequence[str] | None = None) -> ProcessPoolExecutor:
    """Make a pool of fresh processes that take the GPUs in turn.

    Args:
        gpus: as in ``CUDA_VISIBLE_DEVICES``; None: all that this process sees.
    """
    context, gpus = get_context('spawn'), visible_gpus() if gpus is None else list(gpus)
    shared = (context.Value('i', 0), gpus)
    return ProcessPoolExecutor(workers, context, initializer=take_gpu, initargs=shared)


def visible_gpus() -> list[str]:
    """Return the names, as in ``CUDA_VISIBLE_DEVICES``, of the GPUs that this process sees."""
    import torch

    number, named = torch.cuda.device_count(), os.environ.get(VISIBLE)
    names = map(str, range(number)) if named is None else named.split(',')
    return [name.strip() for name in names][:number]


def take_gpu(counter: Any, gpus: Sequence[str]) -> None:
    """Let a worker see one GPU alone, before it asks CUDA for any.

    Args:
        counter: a ``multiprocessing.Value`` of the pool: how many workers began.
        gpus: those of the pool; none: nothing is changed.
    """
    with counter.get_lock():
        number, counter.value = counter.value, counter.value + 1
    if gpus:
        os.environ[VISIBLE] = gpus[number % len(gpus)]
