"""BCCD from scratch: the smallest NASViT beside ResNet-18, one small RetinaNet, one schedule.

    python benchmarks/bccd/run.py                      # both, three seeds: hours on 2 cores
    python benchmarks/bccd/run.py nasvit --seeds 0
    python benchmarks/bccd/run.py --report             # the table of what has run

A run that was stopped goes on where it was.  Results lie in work_dirs/bccd/ROW/seedN; --report
writes docs/bccd.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import ROOT, main, seeds, tested, trained_and_tested, with_spread  # noqa: E402

EPOCHS = 16
ROWS = {'nasvit': 'configs/det/nasvit_bccd.py', 'r18': 'benchmarks/bccd/retinanet_r18.py'}


def run(row: str, seed: int, folder: Path) -> None:
    """Train what is not trained yet, then test what is not tested yet."""
    found = trained_and_tested(
        ROWS[row],
        folder / f'epoch_{EPOCHS}.pth',
        folder,
        f'randomness.seed={seed}',
        'default_hooks.checkpoint.interval=2',
    )
    print(f'{row} seed {seed}: {found["coco/bbox_mAP"]:.3f} mAP on test', flush=True)


def report(work_dir: Path) -> None:
    """Print the table, write docs/bccd.json."""
    results = {}
    for row, config in ROWS.items():
        scores = {seed: tested(f) for seed, f in seeds(work_dir / row).items() if tested(f)}
        if scores:
            results[row] = dict(config=config, test=scores)
    print('| model | test mAP | AP50 | seeds |\n|---|---|---|---|')
    for row, result in results.items():
        columns = [
            with_spread(100 * s[name] for s in result['test'].values())
            for name in ('coco/bbox_mAP', 'coco/bbox_mAP_50')
        ]
        print(f'| `{row}` | {" | ".join(columns)} | {len(result["test"])} |')
    (ROOT / 'docs/bccd.json').write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    main(__doc__, 'row', ROWS, ROOT / 'work_dirs/bccd', run, report)
