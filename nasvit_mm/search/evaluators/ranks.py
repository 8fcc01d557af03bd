"""Candidates spread over the ranks that torchrun or SLURM started.

Dask serves clusters too (:class:`OnExecutor`), and better where workers come and go.  But a site
that trains with torchrun or srun has ranks already, one a GPU, and often no port for a scheduler.
All that this takes is a counter and the results in the store that torch.distributed has anyway: no
queue and no messages of our own.  So both stay.  A rank that fails ends the search; it is resumed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.search.evaluators.execute import Arch, InProcess, Result, Specs

WAIT = timedelta(days=7)  # for another rank's result


class EvaluationError(DataError):
    """A mistake that one rank met in an evaluation, and the others may not."""


class OverRanks:
    """Evaluate on all ranks: each takes the next candidate that nobody has.

    Every rank runs the same search and gets all results; they talk through the store of the
    process group, and no collective is needed, which evaluations of unequal length would block.

    Args:
        store: of torch.distributed, common to all ranks.
    """

    def __init__(self, store: Any) -> None:
        self.store, self.batch, self.here = store, 0, InProcess()
        store.set_timeout(WAIT)

    @classmethod
    def start(cls, cfg: Any) -> OverRanks:
        """Join the processes that the launcher in the config started.

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

    def run(self, specs: Specs, archs: Sequence[Arch]) -> Iterator[Result]:
        """See :class:`Backend`.

        Raises:
            EvaluationError: the rank that met it, and every other one that waits for the result.
            UsageError: another rank asks for other candidates.
        """
        self.batch += 1
        name, waiting = f'search/{self.batch}', list(range(len(archs)))
        while (place := self.store.add(f'{name}/next', 1) - 1) < len(archs):
            self._evaluate(f'{name}/{place}', specs, archs[place])
            for other in [p for p in waiting if p <= place]:  # so that the archive has it soon
                if self.store.check([f'{name}/{other}']):
                    waiting.remove(other)
                    yield other, self._result(f'{name}/{other}', archs[other])
        for other in waiting:
            yield other, self._result(f'{name}/{other}', archs[other])

    def _evaluate(self, key: str, specs: Specs, arch: Arch) -> None:
        try:
            metrics = self.here.measure(specs, arch)
            self.store.set(key, json.dumps(dict(arch=arch, metrics=metrics)))
        except Exception as error:
            text = f'rank {os.environ.get("RANK", "?")}: {error}'
            self.store.set(key, json.dumps(dict(arch=arch, error=text)))
            if isinstance(error, UsageError):
                raise EvaluationError(text) from error
            raise

    def _result(self, key: str, arch: Arch) -> dict[str, float]:
        result = json.loads(self.store.get(key))
        if result['arch'] != json.loads(json.dumps(arch)):
            raise UsageError(
                f'the ranks ask for different candidates (one for {result["arch"]}, '
                f'one for {arch}): give all of them the same config and versions'
            )
        if 'error' in result:
            raise UsageError(f'the search ended on {result["error"]}')
        return result['metrics']

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
