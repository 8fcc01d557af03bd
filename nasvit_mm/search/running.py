"""Where a search runs, as its user asks for it, and the archive that it has there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import torch
from mmengine.config import Config

from nasvit_mm.deploy import device_name
from nasvit_mm.errors import UsageError, check_number
from nasvit_mm.runtime import is_first
from nasvit_mm.search.config import SearchPlan
from nasvit_mm.search.evaluators.execute import Backend
from nasvit_mm.search.evaluators.in_process import InProcess
from nasvit_mm.search.evaluators.on_dask import OnDask
from nasvit_mm.search.evaluators.ranks import OverRanks
from nasvit_mm.search.evaluators.workers import Workers
from nasvit_mm.search.record.archive import Archive

NOTE = 'evaluating.json'  # the candidate that a search in one process evaluates right now
A_CORE = 8  # worker processes of a core at most: they wait for GPUs and disks too
ALWAYS = 64  # that many may be asked for anyway


@contextmanager
def chosen_backend(
    cfg: Config, workers: int = 1, dask: str | None = None, time_limit: float | None = None
) -> Iterator[Backend]:
    """Yield where candidates are evaluated, and end it with the block.

    Args:
        cfg: with the ``launcher`` that started this process, and the ``work_dir``.
        workers: processes of this machine; 1: this one.
        dask: address of a Dask scheduler, ``'tcp://HOST:PORT'`` or ``'tls://HOST:PORT'``.
        time_limit: seconds of a candidate; None: no limit.

    Raises:
        UsageError: what does not go together, more workers than make sense, or no scheduler there.
    """
    check_number('--workers', workers, low=1, whole=True)
    if cfg.launcher != 'none':
        if workers != 1 or dask is not None:
            raise UsageError('--workers and --dask do not go with --launcher')
        with OverRanks.started(cfg, time_limit) as ranks:
            yield ranks
    elif dask is not None:
        if workers != 1:
            raise UsageError('--workers and --dask do not go together')
        with OnDask.connected(dask, time_limit) as cluster:
            yield cluster
    elif workers > 1:
        most = max(ALWAYS, A_CORE * (os.cpu_count() or 1))
        if workers > most:
            raise UsageError(
                f'--workers {workers}: each is a process with torch in it, and this machine has '
                f'{os.cpu_count()} cores; expected at most {most}'
            )
        with closing(Workers(workers, time_limit)) as processes:
            yield processes
    else:
        yield InProcess(time_limit, Path(cfg.work_dir, NOTE))


def device_words(dask: str | None = None) -> str:
    """Name what evaluates candidates: this machine's GPU or CPU, or a cluster by its address."""
    if dask is not None:
        return f'Dask workers of {dask}'
    return device_name('cuda' if torch.cuda.is_available() else 'cpu')


def open_archive(cfg: Config, plan: SearchPlan, resume: bool, where: Backend) -> Archive:
    """Open the archive; of several ranks the first one reads it for all."""
    ranks = isinstance(where, OverRanks)
    if ranks and not is_first():
        return Archive.shared(cfg.work_dir, plan.identity, where.share())
    archive = Archive.open(cfg.work_dir, plan.identity, resume)
    if ranks:
        where.share(archive.records)
    return archive
