r"""How many evaluations a predictor saves where a supernet is really evaluated: CIFAR-10.

    python tools/train.py configs/supernet/nasvit_cifar10.py \
        --cfg-options train_cfg.max_iters=3000 train_cfg.val_interval=1500  # half an hour of a core
    python benchmarks/surrogate_cifar/run.py --seeds 0 1 2 3 4     # hours of a core; it resumes
    python benchmarks/surrogate_cifar/run.py --report              # docs/surrogate.json, the table

Rows: `nsga2`, 1,024 evaluations; `surrogate`, 48 random candidates and then 16 a generation, 256 in
all.  Each seed is a search of its own.  What counts is the hypervolume of accuracy and MACs after
so many evaluations, as a share of that of NSGA-II after 1,000.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import ROOT, candidates, claimed, main, seeds, tool, with_spread, written  # noqa: E402

CONFIG = 'benchmarks/surrogate_cifar/search.py'
ROWS = {
    'nsga2': ['algorithm.population=64', 'algorithm.generations=16'],
    'surrogate': [
        'algorithm.type=surrogate',
        'algorithm.population=48',
        'algorithm.generations=14',
        'algorithm.batch=16',
    ],
}
FULL, FEWER = 1000, (100, 150, 250)
JSON = ROOT / 'docs/surrogate.json'


def run(row: str, seed: int, folder: Path) -> None:
    with claimed(folder) as free:
        if free and not (folder / 'front.json').exists():
            options = [*ROWS[row], f'seed={seed}']
            tool('search', CONFIG, '--work-dir', folder, '--resume', '--cfg-options', *options)


def points(folder: Path) -> np.ndarray:
    """Return (-accuracy, MACs in 1e8) of the candidates in the order of asking, (n, 2)."""
    return np.array(
        [(-r['metrics']['accuracy/top1'], r['costs']['macs'] / 1e8) for r in candidates(folder)]
    )


def report(work_dir: Path) -> None:
    """Print the table, write docs/surrogate.json."""
    from pymoo.indicators.hv import HV

    done = {
        row: {s: points(f) for s, f in seeds(work_dir / row).items() if (f / 'front.json').exists()}
        for row in ROWS
    }
    both = sorted(set(done['nsga2']) & set(done['surrogate']))
    results = written(JSON)
    if both:
        worst = np.concatenate([p for runs in done.values() for p in runs.values()]).max(0)
        volume, shares = HV(ref_point=worst), {}
        for seed in both:
            full = volume(done['nsga2'][seed][:FULL])
            for row in ROWS:
                for number in FEWER:
                    share = 100 * volume(done[row][seed][:number]) / full
                    shares.setdefault(f'{row} {number}', []).append(share)
        results = dict(seeds=both, shares=shares)
    print('| ' + ' | '.join(results['shares']) + ' |')
    print('|---' * len(results['shares']) + '|')
    print('| ' + ' | '.join(map(with_spread, results['shares'].values())) + ' |')
    JSON.write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    main(__doc__, 'row', ROWS, ROOT / 'work_dirs/surrogate_cifar', run, report)
