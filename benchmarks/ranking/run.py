"""Does a dense supernet rank?  Its subnets against the same networks trained alone, on CamVid.

    python benchmarks/ranking/run.py --seeds 0   # all below, days of a core; stop and start it
    python benchmarks/ranking/run.py plain          # one stage
    python benchmarks/ranking/run.py --report       # docs/ranking.json, docs/ranking.png, the table

Stages: `teacher`, EfficientNet-Lite0 with ImageNet weights, fine-tuned (teacher.py says where they
come from); the supernets `plain`, `taught` by it, `shrunk` (progressive shrinking) and
`taught_shrunk`; `alone` and `alone_taught`, eight architectures over the range of MACs, each
trained alone from the same start for as many iterations.  Every supernet is then asked for the same
eight (with batch norms recalibrated), on val and on test.

Started twice, it shares the trainings among both processes.  Hours are of one core, where
OMP_NUM_THREADS=1.  --report keeps what docs/ranking.json has of runs that are not there any more.
Needs data/camvid (configs/_base_/datasets/camvid.py says how it lies).
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import (  # noqa: E402
    ROOT,
    axes_style,
    claimed,
    hours,
    main,
    seeds,
    tested,
    tool,
    trained_and_tested,
    with_kept,
    written,
)

HERE = Path(__file__).resolve().parent
WORK_DIR, JSON = ROOT / 'work_dirs/ranking', ROOT / 'docs/ranking.json'
ITERATIONS, TEACHER_ITERATIONS = 4600, 2300
SUPERNETS = {  # stage -> config
    'plain': 'supernet.py',
    'taught': 'supernet_taught.py',
    'shrunk': 'supernet_shrunk.py',
    'taught_shrunk': 'supernet_taught_shrunk.py',
}
ALONE = {'alone': 'alone.py', 'alone_taught': 'alone_taught.py'}
STAGES = ('teacher', *SUPERNETS, *ALONE)
SIZE, POINTS, DRAWS = (180, 240), 8, 20000
SPLITS = ('val', 'test')


@cache
def architectures() -> list[tuple[int, dict[str, Any]]]:
    """MACs of the whole model and architecture of the smallest, the largest, and of random ones
    nearest to equal ratios between, by a fixed seed.
    """
    from mmengine.config import Config

    from nasvit_mm import compat, get_space  # noqa: F401
    from nasvit_mm.dense import SearchedModel

    cfg = Config.fromfile(HERE / 'alone.py')
    space = get_space(cfg.model.backbone.space.to_dict())
    rng = np.random.default_rng(0)
    ends = np.stack([space.genes(space.smallest), space.genes(space.largest)])
    genes = space.sample_genes(rng, DRAWS)
    # Uniform draws crowd in the middle: a random share of each one's genes is that of an end.
    end = ends[rng.integers(2, size=DRAWS)]
    genes = np.where(rng.random(genes.shape) < rng.random((DRAWS, 1)), end, genes)
    genes = np.concatenate([ends, genes])
    macs = SearchedModel(cfg, space).total(genes, SIZE).macs
    targets = np.geomspace(macs[0], macs[1], POINTS)
    chosen = [int(np.abs(macs - target).argmin()) for target in targets]
    archs = space.from_genes(genes[chosen])
    return [(int(macs[i]), arch.to_dict()) for i, arch in zip(chosen, archs)]


def files(work_dir: Path) -> list[Path]:
    """Return the architectures as files, written where they are not there."""
    folder = work_dir / 'architectures'
    folder.mkdir(parents=True, exist_ok=True)
    found = [folder / f'{i}.json' for i in range(POINTS)]
    if not found[-1].exists():
        for path, (_, arch) in zip(found, architectures()):
            path.write_text(json.dumps(arch, indent=1) + '\n')
    return found


def run(stage: str, seed: int, folder: Path) -> None:
    """What of a stage is not done yet."""
    work_dir = folder.parents[1]
    if stage == 'teacher':
        with claimed(folder) as free:
            if free:
                last = folder / f'iter_{TEACHER_ITERATIONS}.pth'
                trained_and_tested(HERE / 'teacher.py', last, folder, f'randomness.seed={seed}')
    elif stage in SUPERNETS:
        with claimed(folder) as free:
            if free:
                supernet(stage, seed, folder, files(work_dir))
    else:
        for i, path in enumerate(files(work_dir)):
            with claimed(folder / str(i)) as free:
                if free:
                    alone(stage, seed, folder / str(i), path)


def options(stage: str, seed: int, work_dir: Path) -> list[str]:
    """Return the options of a training: its seed, and of those that are taught the teacher."""
    out = [f'randomness.seed={seed}']
    if 'taught' in stage:
        where = 'model.teacher' if stage in SUPERNETS else 'teacher'
        out.append(f'{where}.checkpoint={teacher(work_dir)}')
    if stage in SUPERNETS:
        out.append('model.log_cosine=50')
    return out


def teacher(work_dir: Path) -> Path:
    """Return the trained teacher's checkpoint: one for all seeds."""
    found = work_dir / f'teacher/seed0/iter_{TEACHER_ITERATIONS}.pth'
    if not found.exists():
        raise SystemExit(f'error: {found} does not exist: run the stage teacher, seed 0, first')
    return found


def supernet(stage: str, seed: int, folder: Path, archs: list[Path]) -> None:
    """Train a supernet, then ask it for the eight on both splits."""
    config, last = HERE / SUPERNETS[stage], folder / f'iter_{ITERATIONS}.pth'
    given = options(stage, seed, folder.parents[1])
    if not last.exists():
        tool('train', config, '--work-dir', folder, '--resume', '--cfg-options', *given)
    for split in SPLITS:
        if not tested(folder / split):
            subnets = 'test_cfg.subnets=[' + ','.join(f'"{path}"' for path in archs) + ']'
            out = folder / split / 'test'
            tool('test', config, last, '--work-dir', out, '--cfg-options', subnets, *of(split))


def alone(stage: str, seed: int, folder: Path, arch: Path) -> None:
    """Train one architecture alone, then test it on both splits."""
    config, last = HERE / ALONE[stage], folder / f'iter_{ITERATIONS}.pth'
    given = [f'model.backbone.arch={arch}']
    if not last.exists():
        more = options(stage, seed, folder.parents[2])
        tool('train', config, '--work-dir', folder, '--resume', '--cfg-options', *given, *more)
    for split in SPLITS:
        if not tested(folder / split):
            out = folder / split / 'test'
            plain = HERE / ALONE['alone']
            tool('test', plain, last, '--work-dir', out, '--cfg-options', *given, *of(split))


def of(split: str) -> list[str]:
    """Return the options by which a test is of a split."""
    prefix = 'test_dataloader.dataset.data_prefix'
    return [f'{prefix}.img_path=img_dir/{split}', f'{prefix}.seg_map_path=ann_dir/{split}']


def found_by(stage: str, folder: Path) -> dict[str, list[float]] | None:
    """Return the mIoU of the eight by split, None before all are measured."""
    out = {}
    for split in SPLITS:
        if stage in SUPERNETS:
            found = tested(folder / split)  # by the files of the architectures
            names = [f'architectures/{i}.json/mIoU' for i in range(POINTS)]
            scores = [next((v for k, v in found.items() if k.endswith(n)), None) for n in names]
        else:
            scores = [tested(folder / str(i) / split).get('mIoU') for i in range(POINTS)]
        if None in scores:
            return None
        out[split] = [float(score) for score in scores]
    return out


def report(work_dir: Path) -> None:
    """Print the tables, write docs/ranking.json and docs/ranking.png."""
    results = {}
    for stage in (*SUPERNETS, *ALONE):
        results[stage] = {}
        for seed, folder in seeds(work_dir / stage).items():
            if scores := found_by(stage, folder):
                parts = [folder] if stage in SUPERNETS else [folder / str(i) for i in range(POINTS)]
                results[stage][seed] = dict(scores, hours=sum(map(hours, parts)))
    results = with_kept(results, written(JSON).get('runs', {}))
    macs = [m for m, _ in architectures()]
    taught = tested(work_dir / 'teacher/seed0') or written(JSON).get('teacher', {})
    print('| MACs | ' + ' | '.join(f'{m / 1e9:.2f} G' for m in macs) + ' | hours |')
    print('|---|' + '---|' * (POINTS + 1))
    for stage, runs in results.items():
        for seed, run_ in runs.items():
            row = ' | '.join(f'{score:.1f}' for score in run_['val'])
            print(f'| {stage}, seed {seed}, val | {row} | {run_["hours"]:.1f} |')
    for stage in SUPERNETS:
        for seed, run_ in results[stage].items():
            for reference in ALONE:
                if seed in results[reference]:
                    compared(f'{stage} against {reference}', seed, run_, results[reference][seed])
    JSON.write_text(json.dumps(dict(macs=macs, teacher=taught, runs=results), indent=1) + '\n')
    plot(macs, results, ROOT / 'docs/ranking.png')


def compared(title: str, seed: str, subnets: dict, reference: dict) -> None:
    """Print how far subnets are below the same networks alone, and Kendall's tau of both orders."""
    from scipy.stats import kendalltau

    for split in SPLITS:
        gap = mean(a - b for a, b in zip(reference[split], subnets[split]))
        tau = kendalltau(reference[split], subnets[split]).statistic
        print(f'{title}, seed {seed}, {split}: {gap:.1f} mIoU below on average, tau {tau:.2f}')


def plot(macs: list[int], results: dict[str, dict], path: Path) -> None:
    """mIoU over MACs by stage, on both splits."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), layout='constrained')
    for axes, split in zip(panels, SPLITS):
        for i, (stage, runs) in enumerate(results.items()):
            for run_ in runs.values():
                style = 'o-' if stage in SUPERNETS else 's--'
                axes.plot([m / 1e9 for m in macs], run_[split], style, color=f'C{i}', label=stage)
        axes.set(xlabel='MACs in total (G)', ylabel=f'mIoU on {split}')
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
        axes_style(axes)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == '__main__':
    main(__doc__, 'stage', dict.fromkeys(STAGES), WORK_DIR, run, report)
