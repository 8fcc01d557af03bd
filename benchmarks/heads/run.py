from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import ROOT, main, trained_and_tested  # noqa: E402

ITERATIONS = 300
ROWS = {name: f'benchmarks/heads/{name}.py' for name in ('segformer', 'fpn', 'uper', 'aspp')}


def run(row: str, seed: int, folder: Path) -> None:
    found = trained_and_tested(
        ROWS[row], folder / f'iter_{ITERATIONS}.pth', folder, f'randomness.seed={seed}'
    )
    print(f'{row} seed {seed}: {found["mIoU"]:.1f} mIoU on test', flush=True)


def report(work_dir: Path) -> None:
    pass


if __name__ == '__main__':
    main(__doc__, 'row', ROWS, ROOT / 'work_dirs/heads', run, report)
