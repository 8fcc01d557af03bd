"""Where a search runs, as its user asks for it, and the archive that it has there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from mmengine.config import Config

from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import is_first
from nasvit_mm.search.config import SearchPlan
from nasvit_mm.search.evaluators.execute import Backend, InProcess, OnExecutor
from nasvit_mm.search.evaluators.ranks import OverRanks
from nasvit_mm.search.record.archive import Archive

PATIENCE = 60  # seconds to wait for a worker of Dask


@contextmanager
def chosen_backend(cfg: Config, workers: int = 1, dask: str | None = None) -> Iterator[Backend]:
    """Yield where candidates are evaluated, and end it with the block.

    Args:
        cfg: with the ``launcher`` that started this process.
        workers: processes of this machine; 1: this one.
        dask: address of a Dask scheduler, ``'tcp://HOST:PORT'``.

    Raises:
        UsageError: what does not go together, or no scheduler there.
    """
    if cfg.launcher != 'none':
        if workers != 1 or dask:
            raise UsageError('--workers and --dask do not go with --launcher')
        yield OverRanks.start(cfg)
    elif dask:
        with _dask_client(dask) as client:
            from distributed import KilledWorker

            await_workers(client, dask)

            # Pure, a candidate whose worker died would be its error for good.
            yield OnExecutor(client.get_executor(pure=False), [KilledWorker])
    elif workers > 1:
        with closing(OnExecutor.processes(workers)) as processes:
            yield processes
    elif workers == 1:
        yield InProcess()
    else:
        raise UsageError(f'--workers {workers}: expected at least 1')


def _dask_client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError('--dask needs the package: pip install distributed') from error
    try:
        return Client(address)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            f'--dask {address}: no scheduler of Dask answers there ({error}); '
            'expected tcp://HOST:PORT'
        ) from error


def await_workers(client: Any, address: str, seconds: float = PATIENCE) -> None:
    """Wait until a Dask cluster has a worker, and say so.

    Raises:
        UsageError: it has none after so many seconds.
    """
    if client.scheduler_info()['workers']:
        return
    if is_first():
        print(f'waiting for workers of {address}, {seconds:.0f} s at most', flush=True)
    try:
        client.wait_for_workers(1, timeout=seconds)
    except TimeoutError as error:
        raise UsageError(
            f'--dask {address}: the scheduler has no worker after {seconds:.0f} s; start some: '
            f'dask worker {address}'
        ) from error


def open_archive(cfg: Config, plan: SearchPlan, resume: bool, where: Backend) -> Archive:
    """Open the archive; of several ranks the first one reads it for all."""
    ranks = isinstance(where, OverRanks)
    if ranks and not is_first():
        return Archive.shared(cfg.work_dir, plan.identity, where.share())
    archive = Archive.open(cfg.work_dir, plan.identity, resume)
    if ranks:
        where.share(archive.records)
    return archive
