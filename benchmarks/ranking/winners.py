"""What a search by the taught supernet is worth, at the MACs of two LR-ASPP MobileNetV3.

    python benchmarks/ranking/winners.py            # all rows and seeds: about a day of a core
    python benchmarks/ranking/winners.py winner --seeds 0
    python benchmarks/ranking/winners.py --report   # docs/winners.json and the table

Needs the teacher and the supernet `taught` of run.py.  Rows: `winner`, of one search of 160
candidates by mIoU on val the best one within each budget, fine-tuned from the supernet's weights;
`random`, eight random architectures at each budget, fine-tuned in the same way (first seed only);
`lraspp`, MobileNetV3-large with LR-ASPP, wide enough for the budget; `smallest`, NASViT's smallest
network at an input size that brings it to the budget.  The latter two train for as long as the
supernet and the fine-tuning together.  All learn from the same teacher and are tested on test, by
which nothing was chosen.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import (  # noqa: E402
    ROOT,
    best_within,
    claimed,
    hours,
    main,
    seeds,
    tested,
    tool,
    trained_and_tested,
    with_kept,
    with_spread,
    written,
)
from run import ITERATIONS, SIZE, STUDY, WORK_DIR  # noqa: E402

HERE = Path(__file__).resolve().parent
JSON = ROOT / 'docs/winners.json'
SEARCH = HERE / 'search.py'
SUPERNET = 'taught'
BUDGETS = {'s': 354e6, 'm': 622e6}  # MACs at 180 x 240 of lraspp_s.py and lraspp_m.py
TUNING = 1150  # iterations: 25 epochs
ROWS = ('winner', 'random', 'lraspp', 'smallest')
RANDOM, WITHIN = 8, 0.03  # architectures, and how far their MACs are below the budget at most


def run(row: str, seed: int, folder: Path) -> None:
    """What of a row is not done yet."""
    if row == 'random' and folder.name != 'seed0':
        return
    for budget in BUDGETS:
        if row in ('winner', 'random'):
            exported(row, budget, seed, folder)
        else:
            peer(row, budget, seed, folder / budget)


def options(seed: int, work_dir: Path, iterations: int) -> list[str]:
    """Options of every training: its seed, length and teacher."""
    length = [f'train_cfg.max_iters={iterations}', f'train_cfg.val_interval={iterations}']
    return [f'randomness.seed={seed}', f'teacher.checkpoint={STUDY.taught_by(work_dir)}', *length]


# ---------------------------------------------------------------------- searched and random ones
def searched(work_dir: Path) -> Path:
    """Run the search, with the first seed's supernet, unless it has ended."""
    folder = work_dir / 'search'
    with claimed(folder) as free:
        if free and not (folder / 'front.json').exists():
            tool('search', SEARCH, '--work-dir', folder, '--resume', '--cfg-options', *of(work_dir))
    return folder


def of(work_dir: Path, supernet: str = SUPERNET) -> list[str]:
    """Options of the search and of exports from a supernet."""
    checkpoint = work_dir / f'{supernet}/seed0/iter_{ITERATIONS}.pth'
    return [
        f'evaluator.config={HERE / STUDY.supernets[supernet]}',
        f'evaluator.checkpoint={checkpoint}',
    ]


def exported(row: str, budget: str, seed: int, folder: Path) -> None:
    """Export and fine-tune what a row has within a budget."""
    work_dir = folder.parents[1]
    if row == 'winner':
        chosen = {budget: winner(searched(work_dir), BUDGETS[budget])['arch']}
    else:
        chosen = {f'{budget}{i}': arch for i, arch in enumerate(drawn(BUDGETS[budget]))}
    for name, arch in chosen.items():
        out = folder / name
        with claimed(out) as free:
            if not free:
                continue
            (out / 'arch.json').write_text(json.dumps(arch))
            config = export(out / 'arch.json', out / 'export', work_dir)
            given = options(seed, work_dir, TUNING)
            trained_and_tested(config, out / f'iter_{TUNING}.pth', out, *given)


def export(arch: Path, out: Path, work_dir: Path, supernet: str = SUPERNET) -> Path:
    """Export an architecture from the supernet unless that is done; its config."""
    config = out / 'config.py'
    if not config.exists():
        given = ['--arch', arch, '--out', out]
        tool('export_subnet', SEARCH, *given, '--cfg-options', *of(work_dir, supernet))
    return config


def winner(search: Path, budget: float) -> dict:
    """Return the best candidate of a search within a budget."""
    if not (search / 'front.json').exists():
        raise SystemExit(f'error: {search} has not ended: another process works on it')
    return best_within(search, budget)


def drawn(budget: float) -> list[dict]:
    """Return random architectures just below a budget, always the same ones."""
    from mmengine.config import Config

    from nasvit_mm.search import read_search

    cfg = Config.fromfile(SEARCH)
    cfg.constraints = [dict(metric='macs', low=(1 - WITHIN) * budget, high=budget)]
    cfg.pop('evaluator')
    cfg.objectives, cfg.algorithm = [dict(metric='macs')], dict(type='random', population=RANDOM)
    problem = read_search(cfg, str(SEARCH)).problem
    genes = problem.sample(np.random.default_rng(0), RANDOM)
    return [arch.to_dict() for arch in problem.archs(genes)]


# ---------------------------------------------------------------------- peers
def peer(row: str, budget: str, seed: int, out: Path) -> None:
    """Train a network that nobody searched, for as long as the supernet and fine-tuning."""
    length = ITERATIONS + TUNING
    config = HERE / (f'lraspp_{budget}.py' if row == 'lraspp' else 'alone_taught.py')
    more = [] if row == 'lraspp' else larger_input(BUDGETS[budget], out)
    given = [*options(seed, out.parents[2], length), *more]
    with claimed(out) as free:
        if free:
            last = out / f'iter_{length}.pth'
            trained_and_tested(config, last, out, *given, test_options=more)


def larger_input(budget: float, out: Path) -> list[str]:
    """Return the options by which the smallest network fills a budget with larger images.

    Crops and images grow by one factor; labels of test stay as they are.
    """
    from mmengine.config import Config

    from nasvit_mm.apis import count

    cfg = Config.fromfile(HERE / 'alone.py')
    arch = smallest()
    cfg.model.backbone.arch = arch
    factor = (budget / count(cfg, shape=SIZE).total_macs) ** 0.5  # MACs grow with the area
    height, width = (int(side * factor) // 4 * 4 for side in SIZE)
    out.mkdir(parents=True, exist_ok=True)
    (out / 'arch.json').write_text(json.dumps(arch))
    crop = tuple(round(side * height / SIZE[0] / 32) * 32 for side in cfg.crop_size)
    scale = f'({width},{height})'
    return [
        f'model.backbone.arch={out / "arch.json"}',
        f'train_dataloader.dataset.pipeline.3.scale={scale}',
        f'train_dataloader.dataset.pipeline.4.crop_size=({crop[0]},{crop[1]})',
        f'model.data_preprocessor.size=({crop[0]},{crop[1]})',
        f'val_dataloader.dataset.pipeline.1.scale={scale}',
        f'test_dataloader.dataset.pipeline.1.scale={scale}',
    ]


def smallest() -> dict:
    from mmengine.config import Config

    from nasvit_mm import get_space

    space = get_space(Config.fromfile(HERE / 'alone.py').model.backbone.space.to_dict())
    return space.smallest.to_dict()


# ---------------------------------------------------------------------- report
def report(work_dir: Path) -> None:
    """Print the table, write docs/winners.json."""
    results = {}
    for row in ROWS:
        for seed, folder in seeds(work_dir / row).items():
            for out in sorted(folder.iterdir()):
                if tested(out):
                    found = dict(test=tested(out)['mIoU'], hours=hours(out))
                    results.setdefault(f'{row} {out.name[0]}', {})[f'{seed} {out.name}'] = found
    results = with_kept(results, written(JSON))
    print('| MACs at 180 x 240, at most | network | test mIoU | runs | hours each |')
    print('|---|---|---|---|---|')
    for budget, macs in BUDGETS.items():
        for row in ROWS:
            runs = list(results.get(f'{row} {budget}', {}).values())
            if runs:
                each = ' | '.join(
                    [with_spread(r['test'] for r in runs), str(len(runs))]
                    + [f'{np.mean([r["hours"] for r in runs]):.2f}']
                )
                print(f'| {macs / 1e6:.0f} M | {row} | {each} |')
    JSON.write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    main(__doc__, 'row', dict.fromkeys(ROWS), WORK_DIR, run, report)
