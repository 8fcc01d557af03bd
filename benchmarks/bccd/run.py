"""BCCD from scratch: the smallest NASViT beside ResNet-18, one small RetinaNet, one schedule.

    python benchmarks/bccd/run.py                      # both, three seeds: hours on 2 cores
    python benchmarks/bccd/run.py nasvit --seeds 0
    python benchmarks/bccd/run.py --report             # the table of what has run

A run that was stopped goes on where it was.  Results lie in work_dirs/bccd/ROW/seedN; --report
writes docs/bccd.json.
"""
from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import ROOT, tool  # noqa: E402

EPOCHS = 16
ROWS = {'nasvit': 'configs/det/nasvit_bccd.py', 'r18': 'benchmarks/bccd/retinanet_r18.py'}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('rows', nargs='*', metavar='ROW', help=f'of {", ".join(ROWS)} (all)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/bccd')
    parser.add_argument('--report', action='store_true', help='no training')
    args = parser.parse_args()
    unknown = set(args.rows) - set(ROWS)
    if unknown:
        parser.error(f'unknown row {", ".join(sorted(unknown))}; there are {", ".join(ROWS)}')
    if args.report:
        report(args.work_dir)
        return
    for seed in args.seeds:
        for row in args.rows or ROWS:
            run(row, seed, args.work_dir / row / f'seed{seed}')


def run(row: str, seed: int, folder: Path) -> None:
    """Train what is not trained yet, then test what is not tested yet."""
    checkpoint = folder / f'epoch_{EPOCHS}.pth'
    if not checkpoint.exists():
        tool('train', ROWS[row], '--work-dir', folder, '--resume', '--cfg-options',
             f'randomness.seed={seed}', 'default_hooks.checkpoint.interval=2')
    if not found(folder):
        tool('test', ROWS[row], checkpoint, '--work-dir', folder / 'test')
    print(f'{row} seed {seed}: {found(folder)["coco/bbox_mAP"]:.3f} mAP on test', flush=True)


def found(folder: Path) -> dict:
    """What tools/test.py wrote, {} before."""
    written = sorted((folder / 'test').glob('*/*.json'))
    return json.loads(written[-1].read_text()) if written else {}


def report(work_dir: Path) -> None:
    """Print the table, write docs/bccd.json."""
    import numpy as np
    results = {}
    for row, config in ROWS.items():
        scores = {int(f.name.removeprefix('seed')): found(f)
                  for f in sorted((work_dir / row).glob('seed*')) if found(f)}
        if scores:
            results[row] = dict(config=config, test=scores)
    print('| model | test mAP | AP50 | seeds |\n|---|---|---|---|')
    for row, result in results.items():
        columns = []
        for name in ('coco/bbox_mAP', 'coco/bbox_mAP_50'):
            values = np.array([100 * s[name] for s in result['test'].values()])
            spread = f' ± {values.std(ddof=1):.1f}' if len(values) > 1 else ''
            columns.append(f'{values.mean():.1f}{spread}')
        print(f'| `{row}` | {" | ".join(columns)} | {len(result["test"])} |')
    (ROOT / 'docs/bccd.json').write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    main()
