"""What the papers' methods change, on CIFAR-10: supernets with and without them, several seeds.

    python benchmarks/supernet/run.py                             # all: some three hours on 2 cores
    python benchmarks/supernet/run.py nasvit/project --seeds 0    # one run, 10 minutes on a core
    python benchmarks/supernet/run.py --report                    # table of what has run, plot

The arms of an experiment have the same data, schedule and number of forwards; they differ in what
their name says.  Every run ends in the validation of the smallest, the largest and the same eight
random subnets, with recalibrated batch norms.  A run that was stopped goes on where it was.
Results lie in work_dirs/supernet/EXPERIMENT/ARM/seedN; --report writes docs/supernet.json, which
keeps what it has of runs that are not there any more, and docs/supernet.png.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import (  # noqa: E402
    ROOT,
    axes_style,
    hours,
    main,
    scalars,
    seeds,
    tool,
    with_kept,
    with_spread,
    written,
)

NASVIT, ELASTICVIT, TWINS = (
    f'configs/supernet/{name}_cifar10.py' for name in ('nasvit', 'elasticvit', 'vitas_twins')
)
SHARING = 'model.model.sharing='
ARMS = {  # experiment/arm -> config, overrides
    'nasvit/sum': (NASVIT, ['model.conflict.rule=sum']),
    'nasvit/project': (NASVIT, []),
    'elasticvit/uniform': ('benchmarks/supernet/elasticvit_uniform.py', []),
    'elasticvit/levels': ('benchmarks/supernet/elasticvit_levels.py', []),
    'elasticvit/bank': (ELASTICVIT, []),
    'vitas/ordinal': (TWINS, [SHARING + 'ordinal']),
    # Two forwards a step, as in the public code: half the steps.
    'vitas/bilateral': (TWINS, [SHARING + 'bilateral', 'model.sampler.both_phases=True']),
    'vitas/cyclic': (TWINS, []),
}
JSON = ROOT / 'docs/supernet.json'
ITERATIONS = {'nasvit': 450, 'elasticvit': 450, 'vitas': 400}


def steps(arm: str) -> int:
    return ITERATIONS[arm.split('/')[0]] // (2 if arm == 'vitas/bilateral' else 1)


def run(arm: str, seed: int, folder: Path) -> None:
    """Train what is not trained yet."""
    config, overrides = ARMS[arm]
    if not scores(folder, steps(arm)):
        tool(
            'train',
            config,
            '--work-dir',
            folder,
            '--resume',
            '--cfg-options',
            f'randomness.seed={seed}',
            f'model.sampler.seed={seed}',
            f'train_cfg.max_iters={steps(arm)}',
            f'train_cfg.val_interval={steps(arm)}',
            'default_hooks.checkpoint.interval=100',
            'default_hooks.checkpoint.max_keep_ckpts=1',
            *overrides,
        )
    found = scores(folder, steps(arm))
    print(f'{arm} seed {seed}: ' + ', '.join(f'{k} {v:.1f}' for k, v in found.items()), flush=True)


def scores(folder: Path, step: int) -> dict[str, float]:
    """Top-1 after the last step: smallest, largest, mean of the random ones; {} before."""
    for record in scalars(folder):
        if 'smallest/accuracy/top1' in record and record['step'] == step:
            random = [v for k, v in record.items() if re.match(r'random\d+/accuracy/top1', k)]
            return dict(
                smallest=record['smallest/accuracy/top1'],
                largest=record['largest/accuracy/top1'],
                random=sum(random) / len(random),
            )
    return {}


def cosines(folder: Path) -> dict[int, float]:
    """Cosine of the largest network's gradient and the other subnets', by step.

    Logs of earlier runs repeat it at steps at which it was not computed; those are left out.
    """
    from mmengine.config import Config

    found = {r['step']: r['cosine'] for r in scalars(folder) if 'cosine' in r}
    copies = sorted(folder.glob('*.py')) if found else []
    every = Config.fromfile(copies[0]).model.get('log_cosine', 50) if copies else 1
    return {step: value for step, value in found.items() if step % every == 0}


def report(work_dir: Path) -> None:
    """Print the table, write docs/supernet.json and docs/supernet.png."""
    import numpy as np

    found = with_kept(
        {
            arm: {
                seed: dict(scores(f, steps(arm)), minutes=60 * hours(f), cosines=cosines(f))
                for seed, f in seeds(work_dir / arm).items()
                if scores(f, steps(arm))
            }
            for arm in ARMS
        },
        written(JSON),
    )
    results = {arm: dict(sorted(runs.items())) for arm, runs in found.items() if runs}
    print(
        '| supernet | smallest | largest | 8 random | seeds | minutes a run |\n'
        '|---|---|---|---|---|---|'
    )
    for arm, runs in results.items():
        cells = [
            with_spread(r[kind] for r in runs.values())
            for kind in ('smallest', 'largest', 'random')
        ]
        spent = np.mean([r['minutes'] for r in runs.values()])
        print(f'| `{arm}` | {" | ".join(cells)} | {len(runs)} | {spent:.0f} |')
    plot(results, ROOT / 'docs/supernet.png')
    JSON.write_text(json.dumps(results, indent=1) + '\n')


def plot(results: dict[str, dict], path: Path) -> None:
    """Top-1 of every seed by kind of subnet, a panel an experiment."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    experiments = list(dict.fromkeys(arm.split('/')[0] for arm in results))
    figure, panels = plt.subplots(
        1,
        len(experiments),
        figsize=(4 * len(experiments), 3.6),
        layout='constrained',
        squeeze=False,
    )
    kinds = ('smallest', 'random', 'largest')
    for axes, experiment in zip(panels[0], experiments):
        arms = [arm for arm in results if arm.startswith(f'{experiment}/')]
        for i, arm in enumerate(arms):
            runs = list(results[arm].values())
            places = [k + (i - (len(arms) - 1) / 2) * 0.22 for k in range(len(kinds))]
            for run in runs:
                axes.plot(places, [run[kind] for kind in kinds], 'o', color=f'C{i}', alpha=0.6)
            axes.plot(
                places,
                [sum(run[kind] for run in runs) / len(runs) for kind in kinds],
                '_',
                color=f'C{i}',
                markersize=16,
                label=arm.split('/')[1],
            )
        axes.set(
            title=experiment,
            xticks=range(len(kinds)),
            xticklabels=kinds,
            xlabel='subnet',
            ylabel='top-1 on CIFAR-10 (part)',
        )
        axes.legend(frameon=False)
        axes_style(axes)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == '__main__':
    main(__doc__, 'arm', ARMS, ROOT / 'work_dirs/supernet', run, report)
