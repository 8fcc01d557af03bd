"""What the scripts of many trainings share: the tools as commands, and what they wrote."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def tool(name: str, *arguments: str | Path) -> None:
    """Run tools/<name>.py to its end, and show the command."""
    command = [sys.executable, str(ROOT / 'tools' / f'{name}.py'), *map(str, arguments)]
    print('$', *command[1:], flush=True)
    subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stdout=subprocess.DEVNULL,
    )


def main(
    doc: str,
    what: str,
    rows: Mapping[str, Any],
    work_dir: Path,
    run: Callable[[str, int, Path], None],
    report: Callable[[Path], None],
) -> None:
    """The command of such a script: run the rows named with every seed, or report.

    Args:
        doc: of the script.
        what: word for a row.
        rows: by their names.
        work_dir: where results lie by default, ROW/seedN.
        run: ``run(row, seed, folder)``; leaves out what is done.
        report: ``report(work_dir)``.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('rows', nargs='*', metavar=what.upper(), help=f'of {", ".join(rows)} (all)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--work-dir', type=Path, default=work_dir)
    parser.add_argument('--report', action='store_true', help='no training')
    args = parser.parse_args()
    unknown = set(args.rows) - set(rows)
    if unknown:
        parser.error(f'unknown {what} {", ".join(sorted(unknown))}; there are {", ".join(rows)}')
    if args.report:
        report(args.work_dir)
        return
    for seed in args.seeds:
        for row in args.rows or rows:
            run(row, seed, args.work_dir / row / f'seed{seed}')


def seeds(folder: Path) -> dict[int, Path]:
    """Seed -> folder of the runs of a row, in order."""
    found = {int(f.name.removeprefix('seed')): f for f in folder.glob('seed*')}
    return dict(sorted(found.items()))


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Whether no other process works in a folder: a script may run several times at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / '.claim', 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def tested(folder: Path) -> dict:
    """What tools/test.py wrote for a run, {} before."""
    found = sorted((folder / 'test').glob('*/*.json'))
    return json.loads(found[-1].read_text()) if found else {}


def trained_and_tested(
    config: str | Path,
    checkpoint: Path,
    folder: Path,
    *options: str,
    work_dir: bool = True,
    test_options: Iterable[str] = (),
) -> dict:
    """Train and test what is not trained, or tested, yet; the metrics.

    Args:
        checkpoint: the last one of the training.
        folder: of the run; the test's results lie below it.
        options: of tools/train.py's --cfg-options.
        work_dir: train to the folder; False: to where the config says.
        test_options: of tools/test.py's --cfg-options.
    """
    if not checkpoint.exists():
        where = ['--work-dir', folder] if work_dir else []
        tool('train', config, *where, '--resume', '--cfg-options', *options)
    if not tested(folder):
        given = ['--cfg-options', *test_options] if test_options else []
        tool('test', config, checkpoint, '--work-dir', folder / 'test', *given)
    return tested(folder)


def tested_seed(config: str, last: str, folder: Path, seed: int) -> dict:
    """Train and test a config with a seed unless that is done; the metrics.

    Args:
        last: name of the last checkpoint.
        folder: of the run; {} where another process works in it.
    """
    with claimed(folder) as free:
        if not free:
            return {}
        return trained_and_tested(config, folder / last, folder, f'randomness.seed={seed}')


def candidates(folder: Path) -> list[dict]:
    """The lines of a search's archive, of the candidates that were measured by all images."""
    lines = (folder / 'archive.jsonl').read_text().splitlines()[1:]
    return [r for r in map(json.loads, lines) if 'failed' not in r and 'stopped' not in r]


def best_within(folder: Path, macs: float) -> dict | None:
    """The candidate of a search with the best mIoU of so many MACs at most; None: there is none."""
    found = [r for r in candidates(folder) if r['costs']['macs'] <= macs]
    return max(found, key=lambda r: r['metrics']['mIoU'], default=None)


def written(path: Path) -> dict:
    """What an earlier report wrote, {} before the first."""
    return json.loads(path.read_text()) if path.exists() else {}


def with_kept(results: Mapping[str, Mapping], kept: Mapping[str, Mapping]) -> dict[str, dict]:
    """Row -> seed (a str) -> result, with what was kept of runs that are not there any more."""
    return {
        row: kept.get(row, {}) | {str(seed): run for seed, run in runs.items()}
        for row, runs in results.items()
    }


def hours(folder: Path) -> float:
    """Of all training steps of a run: of the median in its log, for a run may have stood still."""
    found = {r['step']: r['time'] for r in scalars(folder) if 'loss' in r}
    return statistics.median(found.values()) * max(found) / 3600 if found else 0.0


def with_spread(values: Iterable[float]) -> str:
    """Mean and, of several, their standard deviation."""
    values = list(values)
    spread = f' ± {statistics.stdev(values):.1f}' if len(values) > 1 else ''
    return f'{statistics.mean(values):.1f}{spread}'


def scalars(folder: Path) -> Iterator[dict]:
    """What was logged in a work dir, over all parts of a resumed run, in order."""
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def validated(folder: Path, metric: str) -> dict[int, float]:
    """Return the metric of every validation of a run, by its iteration or epoch."""
    return {record['step']: record[metric] for record in scalars(folder) if metric in record}


def axes_style(axes: object) -> None:
    """A grid, and no frame but the axes."""
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
