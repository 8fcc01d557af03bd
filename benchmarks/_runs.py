"""What the scripts of many trainings share: the tools as commands, and what they wrote."""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def tool(name: str, *arguments: str | Path) -> None:
    """Run tools/<name>.py to its end, and show the command."""
    command = [sys.executable, str(ROOT / 'tools' / f'{name}.py'), *map(str, arguments)]
    print('$', *command[1:], flush=True)
    subprocess.run(command, cwd=ROOT, check=True,
                   env=dict(os.environ, PYTHONPATH=str(ROOT)), stdout=subprocess.DEVNULL)


def main(doc: str, what: str, rows: Mapping[str, Any], work_dir: Path,
         run: Callable[[str, int, Path], None], report: Callable[[Path], None]) -> None:
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
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('rows', nargs='*', metavar=what.upper(),
                        help=f'of {", ".join(rows)} (all)')
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


def tested(folder: Path) -> dict:
    """What tools/test.py wrote for a run, {} before."""
    found = sorted((folder / 'test').glob('*/*.json'))
    return json.loads(found[-1].read_text()) if found else {}


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


def axes_style(axes: object) -> None:
    """A grid, and no frame but the axes."""
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
