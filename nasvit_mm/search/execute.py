"""Where candidates are evaluated: here, in an executor's workers, or spread over ranks.

All give (place, figures) of every candidate once, in whatever order they are ready.
"""
from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from datetime import timedelta
from typing import Any

from nasvit_mm.engine import UsageError
from nasvit_mm.search.evaluators import evaluate

RETRIES = 3  # of a candidate whose worker was lost
WAIT = timedelta(days=7)  # for another rank's result

Result = tuple[int, dict[str, float]]


class Serial:
    """One after another, in this process."""

    def run(self, evaluator: str, archs: Sequence[Mapping[str, Any]]) -> Iterator[Result]:
        """Evaluate; ``evaluator`` and ``archs`` as of :func:`nasvit_mm.search.evaluate`."""
        for place, arch in enumerate(archs):
            yield place, evaluate(evaluator, arch)


class Workers(Serial):
    """In the workers of a ``concurrent.futures.Executor`` (processes, Dask's, loky's).

    Args:
        executor: one whose workers have this package; the evaluator is built once in each.
        lost: exceptions that mean a lost worker, not a wrong candidate; those are tried again.
    """

    def __init__(self, executor: Executor, lost: Sequence[type[BaseException]] = ()) -> None:
        self.executor, self.lost = executor, tuple(lost)

    def run(self, evaluator: str, archs: Sequence[Mapping[str, Any]]) -> Iterator[Result]:
        waiting, tries = list(range(len(archs))), 0
        while waiting:
            futures = {self.executor.submit(evaluate, evaluator, archs[place]): place
                       for place in waiting}
            waiting = []
            try:
                for future in as_completed(futures):
                    try:
                        yield futures[future], future.result()
                    except self.lost:
                        waiting.append(futures[future])
            except BaseException:
                for future in futures:
                    future.cancel()
                raise
            tries += bool(waiting)
            if tries > RETRIES:
                raise UsageError(f'{len(waiting)} candidates lost their worker {tries} times, the '
                                 f'first: {json.dumps(archs[min(waiting)])}; does a worker have '
                                 'too little memory?')


class Ranks(Serial):
    """Spread over the ranks of torchrun or SLURM: each takes the next one that nobody has.

    Every rank runs the same search and gets all results; they talk through the store of the
    process group, and no collective is needed, which evaluations of unequal length would block.

    Args:
        store: of torch.distributed, common to all ranks.
    """

    def __init__(self, store: Any) -> None:
        self.store, self.batch = store, 0
        store.set_timeout(WAIT)

    @classmethod
    def start(cls, cfg: Any) -> Ranks:
        """Of the processes that the launcher in the config started.

        The group itself is given up again: what runs in an evaluation takes this process for one
        that is alone.
        """
        from torch.distributed import destroy_process_group
        from torch.distributed.distributed_c10d import _get_default_store

        from nasvit_mm.engine import start_processes
        start_processes(cfg)
        store = _get_default_store()
        destroy_process_group()
        return cls(store)

    def run(self, evaluator: str, archs: Sequence[Mapping[str, Any]]) -> Iterator[Result]:
        self.batch += 1
        name, waiting = f'search/{self.batch}', list(range(len(archs)))
        while (place := self.store.add(f'{name}/next', 1) - 1) < len(archs):
            self.store.set(f'{name}/{place}', json.dumps(evaluate(evaluator, archs[place])))
            for other in [p for p in waiting if p <= place]:  # so that the archive has it soon
                if self.store.check([f'{name}/{other}']):
                    waiting.remove(other)
                    yield other, json.loads(self.store.get(f'{name}/{other}'))
        for other in waiting:
            yield other, json.loads(self.store.get(f'{name}/{other}'))

    def meet(self, where: str) -> None:
        """Wait until every rank has come here."""
        size = int(os.environ['WORLD_SIZE'])
        if self.store.add(f'search/{where}', 1) == size:
            self.store.set(f'search/{where}/all', 'here')
        self.store.get(f'search/{where}/all')
