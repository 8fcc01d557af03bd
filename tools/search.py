"""Search architectures for a task, under the cost of the whole dense model.

    python tools/search.py configs/search/nasvit_ade20k_5g.py [--work-dir DIR] [--resume]
    python tools/search.py CONFIG --workers 4            # processes of this machine
    python tools/search.py CONFIG --dask tcp://HOST:8786 # workers of a Dask cluster
    tools/dist_search.sh CONFIG 8                        # GPUs, one candidate each at a time

Writes to the work dir archive.jsonl (every candidate), front.json, front.png and report.html.  A
search that was killed goes on with --resume: nothing that was evaluated is evaluated again.  Then
tools/export_subnet.py hands a candidate to training.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import _common  # first: it makes the OpenMMLab packages importable
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nasvit_mm import engine
from nasvit_mm import search as nas


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='file of configs/search/')
    parser.add_argument('--resume', action='store_true', help='go on with the archive in the work '
                        'dir; none yet: a fresh start')
    where = parser.add_mutually_exclusive_group()
    where.add_argument('--workers', type=int, default=1, metavar='N',
                       help='evaluate in so many processes (1: in this one)')
    where.add_argument('--dask', metavar='ADDRESS', help='evaluate on a Dask cluster')
    _common.add_arguments(parser)
    return parser.parse_args()


@contextmanager
def backend(args: argparse.Namespace, cfg: Any) -> Iterator[nas.Serial]:
    """Where candidates are evaluated."""
    if cfg.launcher != 'none':
        if args.workers != 1 or args.dask:
            raise engine.UsageError('--workers and --dask do not go with --launcher')
        yield nas.Ranks.start(cfg)
    elif args.dask:
        try:
            from distributed import Client, KilledWorker
        except ImportError as error:
            raise engine.UsageError('--dask needs the package: pip install distributed') from error
        with Client(args.dask) as client:
            yield nas.Workers(client.get_executor(), [KilledWorker])
    elif args.workers > 1:
        with ProcessPoolExecutor(args.workers, mp_context=get_context('spawn')) as executor:
            yield nas.Workers(executor, [BrokenProcessPool])
    elif args.workers == 1:
        yield nas.Serial()
    else:
        raise engine.UsageError(f'--workers {args.workers}: expected at least 1')


class Bar:
    """A bar over all generations, with what is best so far."""

    def __init__(self, plan: nas.SearchPlan, console: Console) -> None:
        self.bar = Progress(TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
                            TimeRemainingColumn(), console=console)
        self.goal, self.total = plan.problem.objectives[0], plan.algorithm.generations
        self.best, self.done, self.task = None, 0, self.bar.add_task('search', total=None)

    def __call__(self, generation: int, number: int, record: Mapping[str, Any] | None) -> None:
        if record is None:
            self.bar.update(self.task, total=self.done + number * (self.total - generation),
                            description=f'generation {generation + 1} of {self.total}')
            return
        self.done += 1
        value = {**record['costs'], **record['metrics']}[self.goal.metric]
        if self.best is None or self.goal.sign * value < self.goal.sign * self.best:
            self.best = value
            self.bar.update(self.task, description=f'generation {generation + 1} of {self.total}, '
                            f'best {self.goal.metric} {value:.6g}')
        self.bar.update(self.task, completed=self.done)


def main() -> None:
    args = parse_args()
    cfg = _common.load_config(args)
    plan = nas.read_search(cfg, args.config)
    console = Console(quiet=not _common.is_first())
    with engine.disk_errors(cfg.work_dir), backend(args, cfg) as where:
        archive = nas.Archive(cfg.work_dir, plan.identity, args.resume, write=_common.is_first())
        if isinstance(where, nas.Ranks):
            where.meet('begin')
        if archive.lines:
            console.print(f'{len(archive.lines)} candidates are in {archive.path} already')
        bar = Bar(plan, console)
        with bar.bar:
            records = nas.search(plan.problem, plan.algorithm, archive, plan.evaluator, where, bar)
        if _common.is_first():
            best = nas.front(plan.problem, records)
            written = nas.write_report(cfg.work_dir, plan.problem, records, best,
                                       f'{args.config}: {plan.problem.space.name}', plan.identity)
            console.print(nas.front_table(plan.problem, best))
            console.print('\n'.join(map(str, [archive.path, *written])))
        if isinstance(where, nas.Ranks):
            where.meet('end')  # the store lives in one of them


if __name__ == '__main__':
    _common.run(main)
