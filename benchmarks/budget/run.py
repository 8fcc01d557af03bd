"""What a search under a dense budget is worth: a supernet on Tiny-ImageNet-20, then CamVid.

    python benchmarks/budget/run.py            # all below, for hours; stop and start it as you like
    python benchmarks/budget/run.py search     # one stage
    python benchmarks/budget/run.py --report   # docs/budget.json, docs/budget.png, the tables

Stages, the first four with the first seed only: `supernet`, of
configs/supernet/nasvit_tiny-imagenet20.py; `search`, backbones under 2, 3 and 5 GMACs in total at
512 x 512 (search.py here) by accuracy on images held out of training, and as many random ones;
`final`, the accuracy of winners and random ones on val, which neither training nor search has seen;
`alone`, eight subnets, each trained by itself (started twice, it shares them among both
processes).  Then on CamVid, 2,000 iterations, from the supernet's weights: `smallest`, as
configs/seg/nasvit_camvid.py trains from scratch; `winner`, of a search under the MACs of
configs/seg/nasvit_camvid_mid.py; `heavier`, the smallest with a head that brings it to the
winner's.

--report keeps what docs/budget.json has of runs that are not there any more.

Needs data/tiny_imagenet20 and data/camvid; the configs say how they lie.
"""

from __future__ import annotations

import json
import statistics
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import (  # noqa: E402
    ROOT,
    axes_style,
    candidates,
    claimed,
    main,
    scalars,
    seeds,
    tested,
    tool,
    trained_and_tested,
    with_kept,
    with_spread,
    written,
)

SUPERNET, SEARCH = 'configs/supernet/nasvit_tiny-imagenet20.py', 'benchmarks/budget/search.py'
CHECKPOINT = ROOT / 'work_dirs/nasvit_tiny-imagenet20/iter_1000.pth'
JSON = ROOT / 'docs/budget.json'
ALONE_STEPS, CAMVID_STEPS = 300, 2000
BUDGETS, NUM_ALONE, NUM_RANDOM = (2, 3, 5), 8, 32
TASKS = {
    'smallest': 'configs/seg/nasvit_camvid.py',
    'winner': 'configs/seg/nasvit_camvid.py',
    'heavier': 'benchmarks/budget/heavier.py',
}
SIZE = 'input_size=(352,352)'
CAMVID_BUDGET = 1.6  # G, of nasvit_camvid_mid.py
STAGES = ('supernet', 'search', 'final', 'alone', 'smallest', 'winner', 'heavier')
ONCE = STAGES[:4]


def run(stage: str, seed: int, folder: Path) -> None:
    """What of a stage is not done yet."""
    if stage in ONCE and folder.name != 'seed0':
        return
    work_dir = folder.parents[1]
    dict(supernet=supernet, search=search, final=final, alone=alone).get(stage, camvid)(
        stage, seed, folder, work_dir
    )


def supernet(*_: Any) -> None:
    if not CHECKPOINT.exists():
        tool('train', SUPERNET, '--resume')


# ---------------------------------------------------------------------- searches
def options(budget: float, *more: str) -> list[str]:
    return ['--cfg-options', f'constraints.0.high={budget}e9', *more]


def search(_: str, __: int, folder: Path, ___: Path) -> None:
    for budget in BUDGETS:
        for kind in ('nsga2', 'random'):
            out = folder / f'{kind}_{budget}g'
            if not (out / 'front.json').exists():
                tool(
                    'search',
                    SEARCH,
                    '--work-dir',
                    out,
                    '--resume',
                    *options(budget, f'algorithm.type={kind}'),
                )
    out = folder / 'camvid'
    if not (out / 'front.json').exists():
        tool(
            'search',
            SEARCH,
            '--work-dir',
            out,
            '--resume',
            *options(CAMVID_BUDGET, f'task={TASKS["winner"]}', SIZE),
        )


def top1(record: dict) -> float:
    return record['metrics']['accuracy/top1']


def winner(folder: Path) -> dict:
    """The best candidate of a search that has ended."""
    if not (folder / 'front.json').exists():
        sys.exit(f'{folder}: run the stage `search` to its end first')
    return max(candidates(folder), key=top1)


def space() -> Any:
    from nasvit_mm import get_space

    return get_space(dict(space='nasvit', restrict=dict(resolution=[64])))


@lru_cache(maxsize=1)
def evaluator() -> Any:
    """Of accuracy on val."""
    from nasvit_mm.search import SupernetEvaluator

    return SupernetEvaluator(
        space(), str(ROOT / SUPERNET), str(CHECKPOINT), split='val', num_calibration=8
    )


def final(_: str, __: int, folder: Path, work_dir: Path) -> None:
    for budget in BUDGETS:
        out = folder / f'{budget}g.json'
        if out.exists():
            continue
        found = work_dir / 'search/seed0'
        random = candidates(found / f'random_{budget}g')[:NUM_RANDOM]
        best = winner(found / f'nsga2_{budget}g')
        accuracy = [evaluator()(space().arch(r['arch']))['accuracy/top1'] for r in (best, *random)]
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(
            json.dumps(
                dict(
                    winner=accuracy[0],
                    random=accuracy[1:],
                    arch=best['arch'],
                    macs=best['costs']['macs'],
                    held_out=top1(best),
                )
            )
            + '\n'
        )


# ---------------------------------------------------------------------- each by itself
def alone(_: str, seed: int, folder: Path, __: Path) -> None:
    from mmengine.config import Config

    from nasvit_mm.dense import standalone

    of = space()
    archs = [of.smallest, *of.sample(1, NUM_ALONE - 2), of.largest]
    for i, arch in enumerate(archs):
        out = folder / f'subnet{i}'
        with claimed(out) as mine:
            if not mine or (out / 'result.json').exists():
                continue
            cfg = standalone(Config.fromfile(ROOT / SUPERNET))
            cfg.model.arch, cfg.custom_hooks = arch.to_dict(), []
            cfg.train_cfg.update(max_iters=ALONE_STEPS, val_interval=ALONE_STEPS)
            cfg.randomness.seed = seed
            cfg.dump(out / 'config.py')
            tool('train', out / 'config.py', '--work-dir', out / 'train', '--resume')
            by_itself = [r['accuracy/top1'] for r in scalars(out / 'train') if 'accuracy/top1' in r]
            (out / 'result.json').write_text(
                json.dumps(
                    dict(
                        arch=arch.to_dict(),
                        alone=by_itself[-1],
                        supernet=evaluator()(arch)['accuracy/top1'],
                    )
                )
                + '\n'
            )


# ---------------------------------------------------------------------- CamVid
def camvid(stage: str, seed: int, folder: Path, work_dir: Path) -> None:
    if not (folder / 'config.py').exists():
        arch = (
            winner(work_dir / 'search/seed0/camvid')['arch']
            if stage == 'winner'
            else space().smallest.to_dict()
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'chosen.json').write_text(json.dumps(arch))
        tool(
            'export_subnet',
            SEARCH,
            '--arch',
            folder / 'chosen.json',
            '--out',
            folder,
            *options(CAMVID_BUDGET, f'task={TASKS[stage]}', SIZE),
        )
    score = trained_and_tested(
        folder / 'config.py',
        folder / f'train/iter_{CAMVID_STEPS}.pth',
        folder,
        f'randomness.seed={seed}',
        f'train_cfg.max_iters={CAMVID_STEPS}',
        work_dir=False,
    )['mIoU']
    print(f'{stage} seed {seed}: {score:.2f} mIoU on test', flush=True)


# ---------------------------------------------------------------------- report
def report(work_dir: Path) -> None:
    """Print the tables, write docs/budget.json and docs/budget.png."""
    from scipy.stats import kendalltau

    results = with_kept(
        dict(
            budgets={b: found for b in BUDGETS if (found := searched(work_dir, b))},
            alone={
                p.parent.name: json.loads(p.read_text())
                for p in work_dir.glob('alone/seed0/*/result.json')
            },
            **{
                stage: {
                    seed: tested(f)['mIoU']
                    for seed, f in seeds(work_dir / stage).items()
                    if tested(f)
                }
                for stage in TASKS
            },
        ),
        written(JSON),
    )
    print(
        '| budget at 512 x 512 | winner | top-1: held out | val | random, val: median | best |\n'
        '|---|---|---|---|---|---|'
    )
    for budget, found in results['budgets'].items():
        print(
            f'| {budget} G | {found["macs"] / 1e9:.2f} G | {found["held_out"]:.1f} | '
            f'{found["winner"]:.1f} | {statistics.median(found["random"]):.1f} | '
            f'{max(found["random"]):.1f} |'
        )
    pairs = list(results['alone'].values())
    if len(pairs) > 2:
        results['tau'] = float(
            kendalltau(*([p[k] for p in pairs] for k in ('supernet', 'alone'))).statistic
        )
        print(f'Kendall tau of {len(pairs)} subnets, supernet against alone: {results["tau"]:.2f}')
    scratch = written(ROOT / 'docs/camvid.json')['nasvit_min']['test_miou']
    print('| on CamVid | test mIoU | seeds |\n|---|---|---|')
    for name, scores in {
        'smallest, from scratch': scratch,
        **{stage: results[stage] for stage in TASKS},
    }.items():
        if scores:
            print(f'| {name} | {with_spread(scores.values())} | {len(scores)} |')
    if results['budgets'] or pairs:
        plot(results['budgets'], pairs, ROOT / 'docs/budget.png')
    JSON.write_text(json.dumps(results, indent=1) + '\n')


def searched(work_dir: Path, budget: int) -> dict:
    """What `final` found, with MACs and held-out accuracy of all candidates; {} before."""
    path = work_dir / f'final/seed0/{budget}g.json'
    if not path.exists():
        return {}
    folder = work_dir / f'search/seed0/nsga2_{budget}g'
    points = {
        name: sorted((r['costs']['macs'], top1(r)) for r in records)
        for name, records in (
            ('candidates', candidates(folder)),
            ('front', json.loads((folder / 'front.json').read_text())),
        )
    }
    return json.loads(path.read_text()) | points


def plot(budgets: dict[str, dict], pairs: list[dict], path: Path) -> None:
    """Left all candidates and the fronts, right accuracy in the supernet and alone."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout='constrained')
    for i, (budget, found) in enumerate(budgets.items()):
        for kind, style in (
            ('candidates', dict(marker='.', linestyle='', alpha=0.3)),
            ('front', dict(marker='o', markersize=4, label=f'under {budget} G')),
        ):
            macs, score = zip(*found[kind])
            left.plot([m / 1e9 for m in macs], score, color=f'C{i}', **style)
    right.plot([p['supernet'] for p in pairs], [p['alone'] for p in pairs], 'o')
    left.set(xlabel='MACs in total at 512 x 512 (G)', ylabel='top-1, held out')
    left.legend(frameon=False, loc='lower center', bbox_to_anchor=(0.5, 1.0), ncols=3)
    right.set(xlabel='top-1 in the supernet', ylabel=f'top-1 alone, {ALONE_STEPS} steps')
    for axes in (left, right):
        axes_style(axes)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == '__main__':
    main(__doc__, 'stage', dict.fromkeys(STAGES), ROOT / 'work_dirs/budget', run, report)
