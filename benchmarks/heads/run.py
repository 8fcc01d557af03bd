"""Segmentation heads of equal cost under one backbone, on CamVid at half its size from scratch.

    python benchmarks/heads/run.py                       # all: half an hour of one core
    python benchmarks/heads/run.py segformer fpn --seeds 0
    python benchmarks/heads/run.py --report              # the table of what has run

One data and schedule for all, 300 iterations (_camvid_small.py).  A run that was stopped resumes
where it was; started twice, the script shares the runs.  Results lie in work_dirs/heads/ROW/seedN;
--report writes docs/heads.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import ROOT, main, seeds, tested, tested_seed, validated, with_spread  # noqa: E402

from nasvit_mm.dense import count  # noqa: E402

ITERATIONS = 300
SIZE = 512
ROWS = {name: f'benchmarks/heads/{name}.py' for name in ('segformer', 'fpn', 'uper', 'aspp')}


def run(row: str, seed: int, folder: Path) -> None:
    """Train what is not trained yet, then test what is not tested yet."""
    found = tested_seed(ROWS[row], f'iter_{ITERATIONS}.pth', folder, seed)
    if found:
        print(f'{row} seed {seed}: {found["mIoU"]:.1f} mIoU on test', flush=True)


def report(work_dir: Path) -> None:
    """Print the table, write docs/heads.json."""
    results = {}
    for row, config in ROWS.items():
        folders = {seed: f for seed, f in seeds(work_dir / row).items() if tested(f)}
        if folders:
            cost = count(ROOT / config, shape=SIZE)
            results[row] = dict(
                config=config,
                macs={part: macs for part, macs in cost.macs.items() if part != 'backbone'},
                test={seed: tested(f)['mIoU'] for seed, f in folders.items()},
                val={seed: validated(f, 'mIoU') for seed, f in folders.items()},
            )
    print('| head | its MACs | val mIoU | test mIoU | seeds |\n|---|---|---|---|---|')
    for row, result in results.items():
        last = with_spread(list(run.values())[-1] for run in result['val'].values())
        print(
            f'| `{row}` | {sum(result["macs"].values()) / 1e9:.2f} G | {last} '
            f'| {with_spread(result["test"].values())} | {len(result["test"])} |'
        )
    (ROOT / 'docs/heads.json').write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    main(__doc__, 'row', ROWS, ROOT / 'work_dirs/heads', run, report)
