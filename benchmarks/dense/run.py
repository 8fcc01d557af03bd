"""A dense supernet on CamVid against its subnets trained alone: quality, order, hours.

    python benchmarks/dense/run.py --seeds 0   # all below, for hours; stop and start it as you like
    python benchmarks/dense/run.py project     # one stage
    python benchmarks/dense/run.py --report    # docs/dense.json, docs/dense.png, the table

Stages: `project` and `sum`, the supernet of configs/supernet/nasvit_camvid_supernet.py by either
conflict rule; `search`, by configs/search/nasvit_camvid_miou.py, in the one whose largest subnet is
better on val; `alone`, the smallest and the best candidate in each fifth of the range of multiply-
adds, trained alone from the same weights as the supernet (slices of the classification supernet,
see below), by the same schedule, for as many iterations (started twice, it shares them among both
processes).  Hours are of one core, where OMP_NUM_THREADS=1.

--report keeps what docs/dense.json has of runs that are not there any more.

Needs data/camvid (configs/_base_/datasets/camvid.py says how it lies) and the classification
supernet: python tools/train.py configs/supernet/nasvit_tiny-imagenet20.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import (  # noqa: E402
    ROOT,
    axes_style,
    candidates,
    claimed,
    hours,
    main,
    scalars,
    seeds,
    tested,
    tool,
    trained_and_tested,
    with_kept,
    written,
)

ITERATIONS, GENERATIONS, PARTS, WORKERS = 400, 5, 5, 2
CONFIG = 'configs/supernet/nasvit_camvid_supernet.py'
SEARCH = 'configs/search/nasvit_camvid_miou.py'
FEATURES = 'work_dirs/nasvit_tiny-imagenet20/iter_1000.pth'
RULES = ('project', 'sum')
STAGES = (*RULES, 'search', 'alone')
KINDS = {'subnet': 'chosen ones', 'alone': 'the same, trained alone'}
JSON = ROOT / 'docs/dense.json'
SCHEDULE = [
    f'train_cfg.max_iters={ITERATIONS}',
    f'train_cfg.val_interval={ITERATIONS}',
    'default_hooks.checkpoint.interval=100',
]


def run(stage: str, seed: int, folder: Path) -> None:
    """What of a stage is not done yet."""
    if stage in RULES:
        if not (folder / f'iter_{ITERATIONS}.pth').exists():
            tool(
                'train',
                CONFIG,
                '--work-dir',
                folder,
                '--resume',
                '--cfg-options',
                f'model.conflict.rule={stage}',
                f'randomness.seed={seed}',
                f'model.sampler.seed={seed}',
                'model.log_cosine=10',
                *SCHEDULE,
            )
        return
    work_dir = folder.parents[1]
    supernet = work_dir / better(work_dir, seed) / f'seed{seed}'
    options = [
        '--cfg-options',
        f'evaluator.checkpoint={supernet}/iter_{ITERATIONS}.pth',
        f'algorithm.generations={GENERATIONS}',
    ]
    if stage == 'search':
        if not (folder / 'front.json').exists():
            tool('search', SEARCH, '--work-dir', folder, '--resume', '--workers', WORKERS, *options)
    else:
        search = work_dir / f'search/seed{seed}'
        for record in spread(candidates(search)):
            number = record['index']
            common = [SEARCH, '--work-dir', search, '--candidate', number]
            subnet, alone = (folder / f'{kind}{number}' for kind in ('subnet', 'alone'))
            with claimed(alone) as mine:
                if mine:
                    measure(
                        subnet, subnet / 'weights.pth', [*common, '--out', subnet, *options], seed
                    )
                    measure(
                        alone,
                        alone / f'train/iter_{ITERATIONS}.pth',
                        [*common, '--checkpoint', FEATURES, '--out', alone, *options],
                        seed,
                    )


def measure(folder: Path, checkpoint: Path, export: list, seed: int) -> None:
    """Export, train where the checkpoint is not what was exported, test."""
    if not (folder / 'config.py').exists():
        tool('export_subnet', *export)
    trained_and_tested(
        folder / 'config.py',
        checkpoint,
        folder,
        f'randomness.seed={seed}',
        *SCHEDULE,
        work_dir=False,
    )


def better(work_dir: Path, seed: int) -> str:
    """The conflict rule whose supernet has the better largest subnet on val."""
    for rule in RULES:
        if not (work_dir / rule / f'seed{seed}/iter_{ITERATIONS}.pth').exists():
            raise SystemExit(
                f'error: the supernet {rule} of seed {seed} is not trained yet: run '
                f'the stages {", ".join(RULES)} first'
            )
    return max(RULES, key=lambda rule: arm(work_dir / rule / f'seed{seed}')['largest/mIoU'])


def spread(records: list[dict]) -> list[dict]:
    """The smallest, and the best by mIoU in each of some equal parts of the range of MACs."""
    macs = np.array([r['costs']['macs'] for r in records])
    part = np.digitize(macs, np.linspace(macs.min(), macs.max(), PARTS + 1)[1:-1])
    best = [
        max((r for r, p in zip(records, part) if p == i), key=lambda r: r['metrics']['mIoU'])
        for i in np.unique(part)
    ]
    smallest = records[macs.argmin()]
    return best if smallest in best else [smallest, *best]


def rows(work_dir: Path, seed: int) -> list[dict]:
    """A line for each subnet that was trained alone, by MACs."""
    search = work_dir / f'search/seed{seed}'
    out = []
    for record in spread(candidates(search)):
        subnet, alone = (
            work_dir / f'alone/seed{seed}/{kind}{record["index"]}' for kind in ('subnet', 'alone')
        )
        val = [r['mIoU'] for r in scalars(alone / 'train') if 'mIoU' in r]
        if tested(subnet) and tested(alone) and val:
            out.append(
                dict(
                    candidate=record['index'],
                    macs=record['costs']['macs'],
                    val=dict(subnet=record['metrics']['mIoU'], alone=val[-1]),
                    test=dict(subnet=tested(subnet)['mIoU'], alone=tested(alone)['mIoU']),
                    hours=hours(alone / 'train'),
                )
            )
    return out


def arm(folder: Path) -> dict:
    """A supernet's hours, the cosines it logged, and its smallest and largest subnet on val."""
    found = list(scalars(folder))
    scores = [r for r in found if 'largest/mIoU' in r]
    return dict(
        {k: scores[-1][k] for k in ('smallest/mIoU', 'largest/mIoU')},
        hours=hours(folder),
        cosines={str(r['step']): r['cosine'] for r in found if 'cosine' in r},
    )


def searched(work_dir: Path, seed: int) -> dict:
    """Rule of the supernet, MACs and mIoU on val of all candidates and of the front, and
    the hours that the search took of a core.
    """
    folder = work_dir / f'search/seed{seed}'
    lines = (folder / 'timings.jsonl').read_text().splitlines()
    front = json.loads((folder / 'front.json').read_text())
    return dict(
        rule=better(work_dir, seed),
        front=points(front),
        candidates=points(candidates(folder)),
        hours=WORKERS * sum(json.loads(line)['seconds'] for line in lines) / 3600,
    )


def points(records: list[dict]) -> list[tuple[int, float]]:
    return sorted((r['costs']['macs'], r['metrics']['mIoU']) for r in records)


def report(work_dir: Path) -> None:
    """Print the tables, write docs/dense.json and docs/dense.png."""
    trained = {
        rule: {
            seed: arm(f)
            for seed, f in seeds(work_dir / rule).items()
            if (f / f'iter_{ITERATIONS}.pth').exists()
        }
        for rule in RULES
    }
    search = {
        seed: searched(work_dir, seed)
        for seed, f in seeds(work_dir / 'search').items()
        if (f / 'front.json').exists()
    }
    alone = {seed: rows(work_dir, seed) for seed in search}
    results = with_kept(dict(trained, search=search, alone=alone), written(JSON))
    print(
        '| supernet | seed | smallest, val | largest | mean cosine | hours |\n'
        '|---|---|---|---|---|---|'
    )
    for rule in RULES:
        for seed, result in results[rule].items():
            print(
                f'| {rule} | {seed} | {result["smallest/mIoU"]:.1f} | '
                f'{result["largest/mIoU"]:.1f} | {mean(result["cosines"].values()):.3f} | '
                f'{result["hours"]:.1f} |'
            )
    for seed, lines in results['alone'].items():
        order(seed, lines)
        found = results['search'][seed]
        print(
            f'front in the supernet by {found["rule"]}: '
            + ', '.join(f'{score:.1f} at {macs / 1e9:.2f} G' for macs, score in found['front'])
        )
        print(
            f'hours of a core: search {found["hours"]:.1f}, '
            f'trained alone {sum(line["hours"] for line in lines):.1f}'
        )
    plot(results, ROOT / 'docs/dense.png')
    JSON.write_text(json.dumps(results, indent=1) + '\n')


def order(seed: str, lines: list[dict]) -> None:
    """The table of the subnets trained alone, and how far the supernet ranks them as they do."""
    from scipy.stats import kendalltau

    print(
        '| MACs at 360 x 480 | val: subnet | alone | test: subnet | alone | hours alone |\n'
        '|---|---|---|---|---|---|'
    )
    for line in lines:
        figures = ' | '.join(
            f'{line[split][kind]:.1f}' for split in ('val', 'test') for kind in KINDS
        )
        print(f'| {line["macs"] / 1e9:.2f} G | {figures} | {line["hours"]:.1f} |')
    for split in ('val', 'test') if len(lines) > 1 else ():
        tau = kendalltau(*([line[split][kind] for line in lines] for kind in KINDS)).statistic
        print(f'Kendall tau between subnet and alone, seed {seed}, {split}: {tau:.2f}')


def plot(results: dict[str, dict], path: Path) -> None:
    """Left the candidates, the chosen ones by the supernet's weights and alone; right cosines."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout='constrained')
    for seed, result in results['search'].items():
        for kind, style in (
            ('candidates', dict(marker='.', linestyle='', alpha=0.5)),
            ('front', dict(linewidth=1)),
        ):
            macs, score = zip(*result[kind])
            left.plot([m / 1e9 for m in macs], score, color='#6a8fb5', label=kind, **style)
        lines = results['alone'][seed]
        for (kind, label), color in zip(KINDS.items(), ('#c8502d', '#3a3a3a')):
            left.plot(
                [line['macs'] / 1e9 for line in lines],
                [line['val'][kind] for line in lines],
                'o-',
                color=color,
                label=label,
            )
    for i, rule in enumerate(RULES):
        for result in results[rule].values():
            right.plot(
                [int(s) for s in result['cosines']],
                list(result['cosines'].values()),
                color=f'C{i}',
                label=rule,
            )
    left.set(xlabel='MACs in total (G)', ylabel='mIoU on val')
    right.set(xlabel='step', ylabel='cosine of largest and other subnets')
    for axes in (left, right):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, loc='lower center', bbox_to_anchor=(0.5, 1), ncols=2)
        axes_style(axes)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == '__main__':
    main(__doc__, 'stage', dict.fromkeys(STAGES), ROOT / 'work_dirs/dense', run, report)
