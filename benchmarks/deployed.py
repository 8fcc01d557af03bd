"""What a search by the artefact is worth: its front beside the front by MACs, both as artefacts.

    python tools/search.py configs/search/nasvit_camvid_openvino_int8.py --work-dir A
    python tools/search.py configs/search/nasvit_camvid_miou.py --work-dir B
    python benchmarks/deployed.py configs/search/nasvit_camvid_openvino_int8.py A B
    python benchmarks/deployed.py --report

Every network of either front is quantised and judged as the first search does it, and all are timed
in one run, in turn.  --report prints docs/deployed.json: the fronts, and what of each remains where
both are put together.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _runs import ROOT
from mmengine.config import Config

from nasvit_mm.deploy import time_artefacts
from nasvit_mm.search import Search, build_evaluator, read_search

JSON = ROOT / 'docs/deployed.json'
FRONTS = ('by the artefact', 'by MACs')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', nargs='?', help='of the search by the artefact')
    parser.add_argument('searches', nargs='*', help='work dirs: by the artefact, by MACs')
    parser.add_argument('--rounds', type=int, default=40)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--report', action='store_true', help='measure nothing')
    args = parser.parse_args()
    if not args.report:
        found = measured(args.config, args.searches, args.rounds, args.threads)
        JSON.write_text(json.dumps(found, indent=1) + '\n')
    show(json.loads(JSON.read_text()))


def measured(config: str, searches: list[str], rounds: int, threads: int) -> list[dict[str, Any]]:
    """Return every network of the fronts: whose it is, what was said of it, what is measured."""
    plan = read_search(Config.fromfile(config), config)
    evaluator, rows = (
        build_evaluator(
            dict(type=plan.evaluators[0].type, **plan.evaluators[0].options), plan.problem.space
        ),
        [],
    )
    with tempfile.TemporaryDirectory() as folder:
        for front, search in zip(FRONTS, searches, strict=True):
            for record in Search.load(search).front():
                arch = plan.problem.space.arch(record['arch'])
                place = Path(folder, str(len(rows)))
                place.mkdir()
                metrics = evaluator.judge(evaluator.write(evaluator.subnet(arch), place))
                said = dict(record['costs'], **record['metrics'])
                rows.append(dict(front=front, arch=str(arch), said=said, **metrics))
                print(rows[-1], flush=True)
        print('timing', flush=True)
        folders = [Path(folder, str(i)) for i in range(len(rows))]
        for row, timed in zip(rows, time_artefacts(folders, rounds, threads), strict=True):
            row['ms'] = timed['median_ms']
    return rows


def remaining(rows: list[dict[str, Any]], metric: str) -> list[bool]:
    """Return which rows no other is better than in both time and metric."""
    points = np.array([[row['ms'], -row[metric]] for row in rows])
    better = (points[:, None] >= points).all(-1) & (points[:, None] > points).any(-1)
    return list(~better.any(1))


def show(rows: list[dict[str, Any]]) -> None:
    metric = next(key for key in rows[0] if key.endswith('/mIoU'))
    print(f'| front | {metric} | latency | said: |')
    print('|---|---|---|---|')
    kept = remaining(rows, metric)
    for row, keeps in sorted(zip(rows, kept), key=lambda pair: pair[0]['ms']):
        said = ', '.join(f'{name} {value:.4g}' for name, value in row['said'].items())
        bold = '**' if keeps else ''
        print(f'| {row["front"]} | {bold}{row[metric]:.2f}{bold} | {row["ms"]:.1f} ms | {said} |')
    for front in FRONTS:
        own = [keeps for row, keeps in zip(rows, kept) if row['front'] == front]
        print(f'{front}: {sum(own)} of {len(own)} remain where both fronts are one (bold)')


if __name__ == '__main__':
    main()
