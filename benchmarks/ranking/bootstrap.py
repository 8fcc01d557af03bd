"""How sure are gap and tau of run.py, were the images others?  Bootstrap over val and test.

    python benchmarks/ranking/bootstrap.py taught alone_taught      # some minutes; tests again
    python benchmarks/ranking/bootstrap.py taught alone_taught --seed 0 --draws 2000

Images are drawn with replacement, the same ones for all networks; mIoU, the gap and Kendall's tau
are computed of each draw.  `at best` is the tau of the networks alone with themselves on other
images: no supernet that is measured on so few images can be expected to reach more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import ROOT, written  # noqa: E402
from run import STUDY, WORK_DIR  # noqa: E402

JSON = ROOT / 'docs/ranking_bootstrap.json'


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('supernet', choices=STUDY.supernets)
    parser.add_argument('alone', choices=STUDY.alone)
    parser.add_argument('--seed', type=int, default=0, help='of the trainings')
    parser.add_argument('--draws', type=int, default=1000)
    parser.add_argument('--work-dir', type=Path, default=WORK_DIR)
    args = parser.parse_args()
    found = written(JSON)
    for split in STUDY.splits:
        subnets = areas(args.supernet, args.seed, split, args.work_dir)
        alone = areas(args.alone, args.seed, split, args.work_dir)
        key = f'{args.supernet} against {args.alone}, seed {args.seed}, {split}'
        found[key] = intervals(subnets, alone, args.draws)
        print(key, *(f'{name} {low:.2f} to {high:.2f}' for name, (low, high) in found[key].items()))
    JSON.write_text(json.dumps(found, indent=1) + '\n')


def areas(stage: str, seed: int, split: str, work_dir: Path) -> np.ndarray:
    """Return intersections and unions, (networks, images, 2, classes); tested where they are not
    there, or of an earlier training.
    """
    folder = work_dir / stage / f'seed{seed}'
    parts = [folder] if stage in STUDY.supernets else [folder / str(i) for i in range(STUDY.points)]
    trained = max((part / STUDY.last).stat().st_mtime for part in parts)
    out = work_dir / 'per_image' / f'{stage}_seed{seed}_{split}'
    if sum(path.stat().st_mtime > trained for path in out.glob('*.npy')) < STUDY.points:
        shutil.rmtree(out, ignore_errors=True)
        more = [
            'test_evaluator.type=PerImageIoU',
            f'test_evaluator.out={out}',
            'custom_imports.imports=["nasvit_mm.compat","benchmarks.ranking.per_image"]',
        ]
        if stage in STUDY.supernets:
            STUDY.test_supernet(stage, folder, split, out / 'test', *more)
        else:
            for part in parts:
                STUDY.test_alone(stage, part, split, out / 'test', *more)
    return np.stack([np.load(out / f'{i}.npy') for i in range(STUDY.points)])


def intervals(subnets: np.ndarray, alone: np.ndarray, draws: int) -> dict[str, tuple[float, float]]:
    """Return the middle 90 % of gap, tau, and the tau of networks alone with themselves."""
    from scipy.stats import kendalltau

    rng, number = np.random.default_rng(0), subnets.shape[1]
    found: dict[str, list[float]] = {'gap': [], 'tau': [], 'at best': []}
    for _ in range(draws):
        one, other = rng.integers(number, size=(2, number))
        ours, theirs = miou(subnets[:, one]), miou(alone[:, one])
        found['gap'].append(float((theirs - ours).mean()))
        found['tau'].append(float(kendalltau(ours, theirs).statistic))
        found['at best'].append(float(kendalltau(theirs, miou(alone[:, other])).statistic))
    return {
        name: tuple(map(float, np.nanquantile(values, [0.05, 0.95])))
        for name, values in found.items()
    }


def miou(areas: np.ndarray) -> np.ndarray:
    """Return mIoU in percent, (networks,), of areas (networks, images, 2, classes)."""
    intersection, union = np.moveaxis(areas.sum(1), 1, 0)
    with np.errstate(invalid='ignore'):
        return 100 * np.nanmean(intersection / union, -1)


if __name__ == '__main__':
    main()
