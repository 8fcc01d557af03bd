"""Head and backbone searched together against the backbone alone, at equal MACs in total; CamVid.

    python benchmarks/whole/run.py --seeds 0    # both rows: about a day of a core; it resumes
    python benchmarks/whole/run.py whole        # one row, three seeds
    python benchmarks/whole/run.py --report     # docs/whole.json and the table

Both rows have the same data, steps, evaluations and budgets.  Of a row: its supernet (`backbone.py`
or `whole.py` here, 2,300 steps); a search of 200 candidates under the largest budget by mIoU on
val; for each budget the best candidate within it, fine-tuned for 460 steps from the supernet's
weights and tested on test, which nothing was chosen by.

QUICK=1 does all of it with a few steps and candidates, to see that it works; what it prints then
means nothing, and --report writes no file.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import (  # noqa: E402
    ROOT,
    best_within,
    main,
    seeds,
    tested,
    tool,
    trained_and_tested,
    with_kept,
    with_spread,
    written,
)

QUICK = bool(os.environ.get('QUICK'))
ROWS = ('backbone', 'whole')
BUDGETS = (0.8e9,) if QUICK else (0.3e9, 0.5e9, 0.8e9)  # MACs in total at 180 x 240
STEPS, TUNING = (4, 4) if QUICK else (2300, 460)
WARM_UP = ('param_scheduler.0.end=2', 'param_scheduler.1.begin=2') if QUICK else ()
POPULATION, GENERATIONS = (2, 2) if QUICK else (20, 10)
JSON = ROOT / 'docs/whole.json'


def run(row: str, seed: int, folder: Path) -> None:
    """Train, search and fine-tune what is not done yet."""
    config, searched = (f'benchmarks/whole/{name}.py' for name in (row, f'search_{row}'))
    supernet, search = folder / f'supernet/iter_{STEPS}.pth', folder / 'search'
    if not supernet.exists():
        options = ['--cfg-options', *of_length(STEPS), f'randomness.seed={seed}']
        tool('train', config, '--work-dir', supernet.parent, '--resume', *options)
    changes = [
        '--cfg-options',
        f'evaluator.checkpoint={supernet}',
        f'algorithm.population={POPULATION}',
        f'algorithm.generations={GENERATIONS}',
        f'constraints.0.high={BUDGETS[-1]}',
        f'seed={seed}',
    ]
    if QUICK:
        changes += ['evaluator.num_calibration=1', 'evaluator.dataloader.dataset.indices=4']
    if not (search / 'front.json').exists():
        tool('search', searched, '--work-dir', search, '--resume', *changes)
    for budget in BUDGETS:
        best = best_within(search, budget)
        if best is None:
            print(f'{row} seed {seed}: no candidate below {budget / 1e9:g} G', flush=True)
            continue
        out = folder / f'{budget / 1e9:g}g'
        if not (out / 'config.py').exists():
            chosen = ['--candidate', best['index'], '--out', out]
            tool('export_subnet', searched, '--work-dir', search, *chosen, *changes)
        found = trained_and_tested(
            out / 'config.py',
            out / f'train/iter_{TUNING}.pth',
            out,
            *of_length(TUNING),
            f'randomness.seed={seed}',
            work_dir=False,
        )
        print(f'{row} seed {seed}, {budget / 1e9:g} G: {found["mIoU"]:.2f} mIoU', flush=True)


def of_length(steps: int) -> list[str]:
    """Options of a training of so many steps."""
    return [f'train_cfg.max_iters={steps}', f'train_cfg.val_interval={steps}', *WARM_UP]


def report(work_dir: Path) -> None:
    """Print the table, write docs/whole.json."""
    results = {}
    for row in ROWS:
        for budget in BUDGETS:
            name = f'{budget / 1e9:g}g'
            results[f'{row} {name}'] = {
                seed: dict(
                    test=tested(folder / name)['mIoU'],
                    search=best_within(folder / 'search', budget)['metrics']['mIoU'],
                    **{k: best_within(folder / 'search', budget)[k] for k in ('arch', 'costs')},
                )
                for seed, folder in seeds(work_dir / row).items()
                if tested(folder / name)
            }
    results = with_kept(results, {} if QUICK else written(JSON))
    print('| MACs at 180 x 240, at most | searched | its mIoU in the search | test mIoU | seeds |')
    print('|---|---|---|---|---|')
    for budget in BUDGETS:
        for row in ROWS:
            runs = list(results[f'{row} {budget / 1e9:g}g'].values())
            if runs:
                figures = [with_spread(r[key] for r in runs) for key in ('search', 'test')]
                print(f'| {budget / 1e9:g} G | {row} | {" | ".join(figures)} | {len(runs)} |')
    if not QUICK:
        JSON.write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    folder = ROOT / ('work_dirs/whole_quick' if QUICK else 'work_dirs/whole')
    main(__doc__, 'row', dict.fromkeys(ROWS), folder, run, report)
