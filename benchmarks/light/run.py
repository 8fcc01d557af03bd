"""BCCD from scratch: RTMDet with the smallest NASViT, mmdet's RTMDet-tiny, RetinaNet-R18.

    python benchmarks/light/run.py                     # all, three seeds: 45 minutes of one core
    python benchmarks/light/run.py rtmdet_nasvit --seeds 0
    python benchmarks/light/run.py --report            # the table of what has run

One data and schedule for all, 192 x 256 and 10 epochs (_bccd_small.py).  A run that was stopped
resumes where it was; started twice, the script shares the runs.  Results lie in
work_dirs/light/ROW/seedN; --report writes docs/light.json.  latency.py measures speed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import ROOT, main, seeds, tested, tested_seed, validated, with_spread  # noqa: E402

from nasvit_mm.dense import count  # noqa: E402

EPOCHS = 10
SIZE = (192, 256)
NAMES = ('rtmdet_nasvit', 'rtmdet_tiny', 'retinanet_r18')
ROWS = {name: f'benchmarks/light/{name}.py' for name in NAMES}
CLASSES = ('RBC', 'WBC', 'Platelets')
METRICS = ('coco/bbox_mAP', 'coco/bbox_mAP_50', *(f'coco/{name}_precision' for name in CLASSES))


def run(row: str, seed: int, folder: Path) -> None:
    """Train what is not trained yet, then test what is not tested yet."""
    found = tested_seed(ROWS[row], f'epoch_{EPOCHS}.pth', folder, seed)
    if found:
        print(f'{row} seed {seed}: {found["coco/bbox_mAP"]:.3f} mAP on test', flush=True)


def report(work_dir: Path) -> None:
    """Print the table, write docs/light.json."""
    results = {}
    for row, config in ROWS.items():
        folders = {seed: f for seed, f in seeds(work_dir / row).items() if tested(f)}
        if folders:
            cost = count(ROOT / config, shape=SIZE)
            results[row] = dict(
                config=config,
                macs=cost.total_macs,
                params=cost.total_params,
                test={s: {m: tested(f)[m] for m in METRICS} for s, f in folders.items()},
                val={s: validated(f, METRICS[0]) for s, f in folders.items()},
            )
    columns = ('model', 'MACs', 'parameters', 'test mAP', 'AP50', *CLASSES, 'seeds')
    print(f'| {" | ".join(columns)} |\n{"|---" * len(columns)}|')
    for row, result in results.items():
        scores = [
            with_spread(100 * s[metric] for s in result['test'].values()) for metric in METRICS
        ]
        print(
            f'| `{row}` | {result["macs"] / 1e9:.2f} G | {result["params"] / 1e6:.2f} M '
            f'| {" | ".join(scores)} | {len(result["test"])} |'
        )
    (ROOT / 'docs/light.json').write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    main(__doc__, 'row', ROWS, ROOT / 'work_dirs/light', run, report)
