"""Candidates spread over the ranks that torchrun or SLURM started.

Dask serves clusters too (:class:`OnDask`), and better where workers come and go.  But a site that
trains with torchrun or srun has ranks already, one a GPU, and often no port for a scheduler.  All
that this takes is a counter, the results and signs of life in the store that torch.distributed has
anyway: no queue and no messages of our own.  So both stay.  A rank that dies ends the search on all
within a minute; it is resumed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from nasvit_mm.errors import UsageError, first_line
from nasvit_mm.search.evaluators.execute import Arch, Backend, Failed, Outcome, Result, Specs
from nasvit_mm.search.evaluators.heartbeat import Heartbeat, RankError
from nasvit_mm.search.evaluators.in_process import InProcess
from nasvit_mm.search.evaluators.workers import Workers, visible_gpus

LOOK = 0.1  # seconds between two looks for another rank's result
GOODBYE = 10.0  # seconds that the first rank, which may hold the store, waits for the others to go


class EvaluationError(RankError):
    """A mistake that one rank met in an evaluation, and the others may not."""


class OverRanks:
    """Evaluate on all ranks: each takes the next candidate that nobody has.

    Every rank runs the same search and gets all results; they talk through the store of the
    process group, and no collective is needed, which evaluations of unequal length would block.

    Args:
        store: of torch.distributed, common to all ranks.
        life: signs of life of the ranks; None: this is one of one.
        here: where this rank evaluates; None: in this process.
    """

    def __init__(
        self, store: Any, life: Heartbeat | None = None, here: Backend | None = None
    ) -> None:
        self.store, self.batch = store, 0
        self.life, self.here = life or Heartbeat(store, 0, 1), here or InProcess()

    @classmethod
    @contextmanager
    def started(cls, cfg: Any, time_limit: float | None = None) -> Iterator[OverRanks]:
        """Join the processes that the launcher in the config started, as long as the block lasts.

        The group itself is given up again: what runs in an evaluation takes its process for one
        that is alone.  That is a child of the rank, which may end or hang without harm.
        """
        from torch.distributed import destroy_process_group, get_rank, get_world_size
        from torch.distributed.distributed_c10d import _get_default_store

        from nasvit_mm.runtime import start_processes

        start_processes(cfg)
        store, life = _get_default_store(), (get_rank(), get_world_size())
        destroy_process_group()
        life = Heartbeat(store, *life)
        store.set_timeout(timedelta(seconds=life.silent))
        gpus = visible_gpus()
        own = gpus[int(os.environ.get('LOCAL_RANK', '0')) % len(gpus)] if gpus else None
        here = Workers(1, time_limit, [own] if own else [], life.check)
        try:
            yield cls(store, life, here)
        except BaseException as error:
            life.leave(first_line(error))
            raise
        finally:
            life.leave()
            here.close()

    def run(self, specs: Specs, archs: Sequence[Arch]) -> Iterator[Result]:
        """See :class:`Backend`.

        Raises:
            EvaluationError: the rank that met it, and every other one that waits for the result.
            RankError: a rank is gone.
            UsageError: another rank asks for other candidates.
        """
        self.batch += 1
        name, waiting = f'search/{self.batch}', list(range(len(archs)))
        while (place := self._ask('add', f'{name}/next', 1) - 1) < len(archs):
            self._evaluate(f'{name}/{place}', specs, archs[place])
            for other in [p for p in waiting if p <= place]:  # so that the archive has it soon
                if self._ask('check', [f'{name}/{other}']):
                    waiting.remove(other)
                    yield other, self._result(f'{name}/{other}', archs[other])
        for other in waiting:
            yield other, self._result(f'{name}/{other}', archs[other])

    def _evaluate(self, key: str, specs: Specs, arch: Arch) -> None:
        try:
            ((_, found),) = self.here.run(specs, [arch])
        except RankError:
            raise
        except Exception as error:
            text = f'rank {os.environ.get("RANK", "?")}: {error}'
            self._ask('set', key, json.dumps(dict(arch=arch, error=text)))
            if isinstance(error, UsageError):
                raise EvaluationError(text) from error
            raise
        said = dict(failed=found.reason) if isinstance(found, Failed) else dict(metrics=found)
        self._ask('set', key, json.dumps(dict(arch=arch, **said)))

    def _result(self, key: str, arch: Arch) -> Outcome:
        result = json.loads(self._awaited(key))
        if result['arch'] != json.loads(json.dumps(arch)):
            raise UsageError(
                f'the ranks ask for different candidates (one for {result["arch"]}, '
                f'one for {arch}): give all of them the same config and versions'
            )
        if 'error' in result:
            raise UsageError(f'the search ended on {result["error"]}')
        return Failed(result['failed']) if 'failed' in result else result['metrics']

    def share(self, records: Sequence[Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
        """Hand the records of the archive on, which the first rank alone reads: its folder may be
        on that machine only.

        Args:
            records: the first rank's; None in the others.
        """
        if records is not None:
            for i, record in enumerate(records):
                self._ask('set', f'search/records/{i}', json.dumps(record))
            self._ask('set', 'search/records', str(len(records)))
        number = int(self._awaited('search/records'))
        return [json.loads(self._awaited(f'search/records/{i}')) for i in range(number)]

    def meet(self, where: str) -> None:
        """Wait until every rank has come here; the first one leaves last, for it may hold the
        store.
        """
        size = self.life.size
        self._await_number(f'search/{where}', self._ask('add', f'search/{where}', 1), size)
        self._ask('add', f'search/{where}/left', 1)
        if self.life.rank == 0:
            self._await_number(f'search/{where}/left', 0, size, GOODBYE)

    # ------------------------------------------------------------------ the store
    def _ask(self, name: str, *arguments: Any) -> Any:
        return self.life.ask(getattr(self.store, name), *arguments)

    def _awaited(self, key: str) -> bytes:
        """Return a value of the store, as soon as another rank has put it there."""
        while not self._ask('check', [key]):
            self.life.check()
            time.sleep(LOOK)
        return self._ask('get', key)

    def _await_number(self, key: str, number: int, wanted: int, most: float = float('inf')) -> None:
        end = time.monotonic() + most
        while number < wanted and time.monotonic() < end:
            self.life.check()
            time.sleep(LOOK)
            number = self._ask('add', key, 0)
