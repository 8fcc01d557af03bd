"""Search architectures for a task, under the cost of the whole dense model.

    python tools/search.py configs/search/nasvit_ade20k_5g.py [--work-dir DIR] [--resume]
    python tools/search.py CONFIG --workers 4            # processes of this machine
    python tools/search.py CONFIG --dask tcp://HOST:8786 # workers of a Dask cluster
    tools/dist_search.sh CONFIG 8                        # GPUs, one candidate each at a time

Writes to the work dir archive.jsonl (every candidate), timings.jsonl (what each took), front.json,
front.png and report.html.  A search that was killed goes on with --resume: nothing that was
evaluated is evaluated again.  Then tools/export_subnet.py hands a candidate to training.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import _common  # first: it makes the OpenMMLab packages importable
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import disk_errors
from nasvit_mm.search import (
    Archive,
    Ranks,
    SearchPlan,
    Serial,
    Workers,
    figures,
    front,
    front_table,
    read_search,
    search,
    write_report,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='file of configs/search/')
    parser.add_argument(
        '--resume',
        action='store_true',
        help='go on with the archive in the work dir; none yet: a fresh start',
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        '--workers',
        type=int,
        default=1,
        metavar='N',
        help='evaluate in so many processes (1: in this one), each of as many '
        'threads as OMP_NUM_THREADS says',
    )
    where.add_argument('--dask', metavar='ADDRESS', help='evaluate on a Dask cluster')
    _common.add_arguments(parser)
    return parser.parse_args()


@contextmanager
def backend(args: argparse.Namespace, cfg: Any) -> Iterator[Serial]:
    """Where candidates are evaluated."""
    if cfg.launcher != 'none':
        if args.workers != 1 or args.dask:
            raise UsageError('--workers and --dask do not go with --launcher')
        yield Ranks.start(cfg)
    elif args.dask:
        with dask_client(args.dask) as client:
            from distributed import KilledWorker

            # Pure, a candidate whose worker died would be its error for good.
            yield Workers(client.get_executor(pure=False), [KilledWorker])
    elif args.workers > 1:
        pool = partial(ProcessPoolExecutor, args.workers, mp_context=get_context('spawn'))
        with closing(Workers(pool, [BrokenProcessPool])) as workers:
            yield workers
    elif args.workers == 1:
        yield Serial()
    else:
        raise UsageError(f'--workers {args.workers}: expected at least 1')


def dask_client(address: str) -> Any:
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


def open_archive(cfg: Any, plan: SearchPlan, resume: bool, where: Serial) -> Archive:
    """The archive; of several ranks the first one reads it for all."""
    ranks = isinstance(where, Ranks)
    if ranks and not _common.is_first():
        return Archive(cfg.work_dir, plan.identity, records=where.share())
    archive = Archive(cfg.work_dir, plan.identity, resume, write=_common.is_first())
    if ranks:
        where.share(archive.records)
    return archive


class Bar:
    """A bar over all generations, with what is best so far."""

    def __init__(self, plan: SearchPlan, console: Console) -> None:
        self.bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self.goal, self.total = plan.problem.objectives[0], plan.algorithm.generations
        self.best, self.done, self.failed = None, 0, 0
        self.task = self.bar.add_task('search', total=None)

    def __call__(self, generation: int, number: int, record: Mapping[str, Any] | None) -> None:
        if record is None:
            self.bar.update(self.task, total=self.done + number * (self.total - generation))
        else:
            self.done += 1
            self.note(record)
        self.bar.update(
            self.task,
            completed=self.done,
            description=''.join(
                (
                    f'generation {generation + 1} of {self.total}',
                    f', {self.failed} failed' if self.failed else '',
                    '' if self.best is None else f', best {self.goal.metric} {self.best:.6g}',
                )
            ),
        )

    def note(self, record: Mapping[str, Any]) -> None:
        if 'failed' in record:
            if not self.failed:
                self.bar.console.print(
                    f'candidate {record["index"]} failed: {record["failed"]}', markup=False
                )
            self.failed += 1
            return
        value = figures(record)[self.goal.metric]
        if self.best is None or self.goal.sign * value < self.goal.sign * self.best:
            self.best = value


class Clock:
    """Seconds from one evaluated candidate to the next, a line each in ``timings.jsonl``: together
    what the search took.  They are not in the archive, whose bytes are a function of the search.
    """

    def __init__(self, folder: str, known: int) -> None:
        self.path, self.known, self.last = Path(folder, 'timings.jsonl'), known, time.perf_counter()

    def __call__(self, record: Mapping[str, Any] | None) -> None:
        now = time.perf_counter()
        if record is not None and record['index'] >= self.known:
            line = dict(index=record['index'], seconds=round(now - self.last, 3))
            with self.path.open('a') as file:
                file.write(json.dumps(line) + '\n')
        self.last = now


def main() -> None:
    args = parse_args()
    cfg = _common.load_config(args)
    plan = read_search(cfg, args.config)
    with disk_errors(cfg.work_dir), backend(args, cfg) as where:
        console = Console(quiet=not _common.is_first())  # known once the launcher has spoken
        archive = open_archive(cfg, plan, args.resume, where)
        if archive.lines:
            console.print(f'{len(archive.lines)} candidates are in {archive.path} already')
        bar, clock = Bar(plan, console), Clock(cfg.work_dir, len(archive.lines))

        def progress(generation: int, number: int, record: Mapping[str, Any] | None) -> None:
            bar(generation, number, record)
            if plan.evaluator and _common.is_first():
                clock(record)

        with bar.bar:
            records = search(plan.problem, plan.algorithm, archive, plan.evaluator, where, progress)
        ended = records[-1]['generation'] + 1
        if ended < plan.algorithm.generations:
            console.print(
                f'After generation {ended} of {plan.algorithm.generations} no new '
                'candidates were found within the constraints.'
            )
        if _common.is_first():
            best = front(plan.problem, records)
            written = write_report(
                cfg.work_dir,
                plan.problem,
                records,
                best,
                f'{args.config}: {plan.problem.space.name}',
                plan.identity,
            )
            console.print(front_table(plan.problem, best))
            console.print('\n'.join(map(str, [archive.path, *written])))
        if isinstance(where, Ranks):
            where.meet('end')  # the store lives in one of them


if __name__ == '__main__':
    _common.run(main)
