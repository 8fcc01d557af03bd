"""Where candidates are evaluated: here, in an executor's workers, or spread over ranks.

All give (place, figures) of every candidate once, in whatever order they are ready.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from datetime import timedelta
from typing import Any

from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.search.evaluators.base import evaluate

RETRIES = 3  # rounds in which every worker was lost
WAIT = timedelta(days=7)  # for another rank's result

Result = tuple[int, dict[str, float]]


class Serial:
    """One after another, in this process."""

    def run(self, evaluator: str, archs: Sequence[Mapping[str, Any]]) -> Iterator[Result]:
        """Evaluate; ``evaluator`` and ``archs`` as of :func:`nasvit_mm.search.evaluate`."""
        for place, arch in enumerate(archs):
            yield place, evaluate(evaluator, arch)


class Workers(Serial):
    """In the workers of a ``concurrent.futures.Executor`` (processes, threads, Dask's, loky's).

    Args:
        executor: one whose workers have this package, or what makes one, which is called again
            where a lost worker leaves the executor broken; the evaluator is built once in each
            process.
        lost: exceptions that mean a lost worker, not a wrong candidate; those are tried again.
    """

    def __init__(
        self, executor: Executor | Callable[[], Executor], lost: Sequence[type[BaseException]] = ()
    ) -> None:
        self._make = None if hasattr(executor, 'submit') else executor
        self.executor = executor if self._make is None else self._make()
        self.lost = tuple(lost)

    def run(self, evaluator: str, archs: Sequence[Mapping[str, Any]]) -> Iterator[Result]:
        """As of :class:`Serial`.

        Raises:
            UsageError: round after round nothing but lost workers.
        """
        waiting, tries = list(range(len(archs))), 0
        while waiting:
            futures = self._submit(evaluator, archs, waiting)
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
        self, evaluator: str, archs: Sequence[Mapping[str, Any]], places: Sequence[int]
    ) -> dict[Future, int]:
        """Future -> place; of those only that a broken executor still took."""
        futures = {}
        try:
            for place in places:
                futures[self.executor.submit(evaluate, evaluator, archs[place])] = place
        except self.lost:
            pass
        return futures

    def close(self) -> None:
        """End the executor that was made here."""
        if self._make is not None:
            self.executor.shutdown()


class EvaluationError(DataError):
    """A mistake that one rank met in an evaluation, and the others may not."""


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

        from nasvit_mm.runtime import start_processes

        start_processes(cfg)
        store = _get_default_store()
        destroy_process_group()
        return cls(store)

    def run(self, evaluator: str, archs: Sequence[Mapping[str, Any]]) -> Iterator[Result]:
        """As of :class:`Serial`.

        Raises:
            EvaluationError: the rank that met it, and every other one that waits for the result.
            UsageError: another rank asks for other candidates.
        """
        self.batch += 1
        name, waiting = f'search/{self.batch}', list(range(len(archs)))
        while (place := self.store.add(f'{name}/next', 1) - 1) < len(archs):
            self._evaluate(f'{name}/{place}', evaluator, archs[place])
            for other in [p for p in waiting if p <= place]:  # so that the archive has it soon
                if self.store.check([f'{name}/{other}']):
                    waiting.remove(other)
                    yield other, self._result(f'{name}/{other}', archs[other])
        for other in waiting:
            yield other, self._result(f'{name}/{other}', archs[other])

    def _evaluate(self, key: str, evaluator: str, arch: Mapping[str, Any]) -> None:
        try:
            self.store.set(key, json.dumps(dict(arch=arch, figures=evaluate(evaluator, arch))))
        except Exception as error:
            text = f'rank {os.environ.get("RANK", "?")}: {error}'
            self.store.set(key, json.dumps(dict(arch=arch, error=text)))
            if isinstance(error, UsageError):
                raise EvaluationError(text) from error
            raise

    def _result(self, key: str, arch: Mapping[str, Any]) -> dict[str, float]:
        result = json.loads(self.store.get(key))
        if result['arch'] != json.loads(json.dumps(arch)):
            raise UsageError(
                f'the ranks ask for different candidates (one for {result["arch"]}, '
                f'one for {arch}): give all of them the same config and versions'
            )
        if 'error' in result:
            raise UsageError(f'the search ended on {result["error"]}')
        return result['figures']

    def share(self, records: Sequence[Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
        """Hand the records of the archive on, which the first rank alone reads: its folder may be
        on that machine only.

        Args:
            records: the first rank's; None in the others.
        """
        if records is not None:
            for i, record in enumerate(records):
                self.store.set(f'search/records/{i}', json.dumps(record))
            self.store.set('search/records', str(len(records)))
        number = int(self.store.get('search/records'))
        return [json.loads(self.store.get(f'search/records/{i}')) for i in range(number)]

    def meet(self, where: str) -> None:
        """Wait until every rank has come here."""
        size = int(os.environ['WORLD_SIZE'])
        if self.store.add(f'search/{where}', 1) == size:
            self.store.set(f'search/{where}/all', 'here')
        self.store.get(f'search/{where}/all')
