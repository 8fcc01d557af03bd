"""What a search by the artefact is worth: its front beside the front by MACs, both as artefacts.

    python tools/search.py configs/search/nasvit_camvid_openvino_int8.py --work-dir A
    python tools/search.py configs/search/nasvit_camvid_miou.py --work-dir B
    python benchmarks/deployed.py A B
    python benchmarks/deployed.py --report

Every network of either front is quantised and judged as the first search does it, and all are timed
in one run, in turn; what stands in both, once.  --report prints docs/deployed.json: the fronts, and
what of each remains where both are put together.
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
from nasvit_mm.spaces import Arch

JSON = ROOT / 'docs/deployed.json'
FRONTS = ('by the artefact', 'by MACs')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('searches', nargs='*', help='work dirs: by the artefact, by MACs')
    parser.add_argument('--rounds', type=int, default=40)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--report', action='store_true', help='measure nothing')
    args = parser.parse_args()
    if not args.report:
        if len(args.searches) != len(FRONTS):
            parser.error('expected two work dirs: of the search by the artefact, of that by MACs')
        found = measured(args.searches, args.rounds, args.threads)
        JSON.write_text(json.dumps(found, indent=1) + '\n')
    show(json.loads(JSON.read_text()))


def measured(searches: list[str], rounds: int, threads: int) -> list[dict[str, Any]]:
    """Return every network of the fronts: whose it is, what they said of it, what is measured."""
    config = str(Path(searches[0], 'search.json'))  # as it ran
    plan = read_search(Config.fromfile(config), config)
    (spec,) = plan.evaluators
    evaluator = build_evaluator(dict(type=spec.type, **spec.options), plan.problem.space)
    rows: dict[Arch, dict[str, Any]] = {}
    for front, search in zip(FRONTS, searches, strict=True):
        for record in Search.load(search).front():
            arch = plan.problem.space.arch(record['arch'])
            said = dict(record['costs'], **record['metrics'])
            rows.setdefault(arch, dict(arch=str(arch), said={}))['said'][front] = said
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder, str(i)) for i in range(len(rows))]
        for place, (arch, row) in zip(folders, rows.items()):
            place.mkdir()
            row.update(evaluator.judge(evaluator.write(evaluator.subnet(arch), place)))
            print(row, flush=True)
        print('timing', flush=True)
        for row, timed in zip(rows.values(), time_artefacts(folders, rounds, threads), strict=True):
            row['ms'] = timed['median_ms']
    return list(rows.values())


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
        said = {name: value for each in row['said'].values() for name, value in each.items()}
        words = ', '.join(f'{name} {value:.4g}' for name, value in said.items())
        fronts, bold = ' and '.join(row['said']), '**' if keeps else ''
        print(f'| {fronts} | {bold}{row[metric]:.2f}{bold} | {row["ms"]:.1f} ms | {words} |')
    for front in FRONTS:
        own = [keeps for row, keeps in zip(rows, kept) if front in row['said']]
        print(f'{front}: {sum(own)} of {len(own)} remain where both fronts are one (bold)')


if __name__ == '__main__':
    main()
