from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import ROOT, main, trained_and_tested  # noqa: E402

EPOCHS = 10
ROWS = {
    'rtmdet_nasvit': 'benchmarks/light/rtmdet_nasvit.py',
    'rtmdet_tiny': 'benchmarks/light/rtmdet_tiny.py',
    'retinanet_r18': 'benchmarks/light/retinanet_r18.py',
}


def run(row: str, seed: int, folder: Path) -> None:
    found = trained_and_tested(
        ROWS[row], folder / f'epoch_{EPOCHS}.pth', folder, f'randomness.seed={seed}'
    )
    print(f'{row} seed {seed}: {found["coco/bbox_mAP"]:.3f} mAP on test', flush=True)


def report(work_dir: Path) -> None:
    pass


if __name__ == '__main__':
    main(__doc__, 'row', ROWS, ROOT / 'work_dirs/light', run, report)
