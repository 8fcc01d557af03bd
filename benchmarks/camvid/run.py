"""CamVid from scratch: every model on the same schedule, several seeds, one table.

    python benchmarks/camvid/run.py                        # all rows: many hours on 2 cores
    python benchmarks/camvid/run.py nasvit_min --seeds 0   # one run
    python benchmarks/camvid/run.py --report               # the table of what has run, the plots

A run that was stopped goes on where it was.  Results lie in work_dirs/camvid/ROW/seedN; --report
writes docs/camvid.json, which keeps what it has of runs that are not there any more, and
docs/camvid.png.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import (  # noqa: E402
    ROOT,
    axes_style,
    main,
    scalars,
    seeds,
    tested,
    trained_and_tested,
    with_kept,
    with_spread,
    written,
)

ITERATIONS = 2000
ROWS = {  # name -> config
    'nasvit_min': 'configs/seg/nasvit_camvid.py',
    'elastic_s1': 'configs/seg/elasticvit_camvid.py',
    'lraspp_s': 'benchmarks/camvid/lraspp_s.py',
    'nasvit_mid': 'configs/seg/nasvit_camvid_mid.py',
    'twins_mini': 'configs/seg/vitas_camvid.py',
    'lraspp_m': 'benchmarks/camvid/lraspp_m.py',
    'segformer_b0': 'benchmarks/camvid/segformer_b0.py',
}
JSON = ROOT / 'docs/camvid.json'
SIZE = (360, 480)  # of a whole image, for latency


def run(row: str, seed: int, folder: Path) -> None:
    """Train what is not trained yet, then test what is not tested yet."""
    found = trained_and_tested(
        ROWS[row],
        folder / f'iter_{ITERATIONS}.pth',
        folder,
        f'randomness.seed={seed}',
        f'train_cfg.max_iters={ITERATIONS}',
        'default_hooks.checkpoint.interval=250',
    )
    print(f'{row} seed {seed}: {found["mIoU"]:.2f} mIoU on test', flush=True)


def curves(folder: Path) -> tuple[dict[int, float], dict[int, float]]:
    """Training loss and validation mIoU by iteration, over all parts of a resumed run."""
    losses, scores = {}, {}
    for record in scalars(folder):
        if 'loss' in record:
            losses[record['step']] = record['loss']
        elif 'mIoU' in record:
            scores[record['step']] = record['mIoU']
    return losses, scores


def report(work_dir: Path) -> None:
    """Print the table, write docs/camvid.json and docs/camvid.png."""
    kept = written(JSON)
    results = {}
    for row, config in ROWS.items():
        folders = seeds(work_dir / row)
        found = dict(
            test_miou={seed: tested(f)['mIoU'] for seed, f in folders.items() if tested(f)},
            curves={seed: curves(f) for seed, f in folders.items() if tested(f)},
        )
        found = with_kept(found, kept.get(row, {}))
        if found['test_miou']:
            results[row] = dict(config=config, **found)
    measure(results)
    print(
        f'| model | MACs at 352 x 352 | parameters | test mIoU | latency at '
        f'{SIZE[0]} x {SIZE[1]} |\n|---|---|---|---|---|'
    )
    for row, result in results.items():
        scores = result['test_miou'].values()
        print(
            f'| `{row}` | {result["macs"] / 1e9:.2f} G | {result["params"] / 1e6:.2f} M | '
            f'{with_spread(scores)} ({len(scores)} seeds) | {result["ms"]:.0f} ms |'
        )
    plot(results, ROOT / 'docs/camvid.png')
    JSON.write_text(json.dumps(results, indent=1) + '\n')


def measure(results: dict[str, dict]) -> None:
    """Add MACs, parameters, and latency of one image, all models in turn in this process."""
    sys.path.insert(0, str(ROOT))
    import numpy as np
    import torch
    from mmengine.config import Config

    from nasvit_mm.dense import build_model, count_model
    from nasvit_mm.deploy import Logits, measure_seconds

    os.chdir(ROOT)
    nets, image = {}, torch.randn(1, 3, *SIZE)
    for row, result in results.items():
        cfg = Config.fromfile(result['config'])
        model = build_model(cfg)
        cost = count_model(model, cfg.crop_size)
        result.update(macs=cost.total_macs, params=cost.total_params)
        nets[row] = Logits(model, SIZE)
    calls = {row: partial(net, image) for row, net in nets.items()}
    for row, seconds in measure_seconds(calls, 20).items():
        results[row]['ms'] = 1e3 * float(np.median(seconds))


def plot(results: dict[str, dict], path: Path) -> None:
    """Loss and validation mIoU against the iteration, a line a seed."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout='constrained')
    for i, (row, result) in enumerate(results.items()):
        for seed, (losses, scores) in result['curves'].items():
            style = dict(
                color=f'C{i}',
                alpha=0.8,
                linewidth=1.2,
                label=None
                if seed != min(result['curves'])
                else f'{row} ({result["macs"] / 1e9:.2f} GMACs)',
            )
            left.plot([int(i) for i in losses], losses.values(), **style)
            right.plot([int(i) for i in scores], scores.values(), marker='.', **style)
    left.set(xlabel='iteration', ylabel='training loss (mean of 50 iterations)', yscale='log')
    right.set(xlabel='iteration', ylabel='validation mIoU')
    right.legend(frameon=False)
    for axes in (left, right):
        axes_style(axes)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == '__main__':
    main(__doc__, 'row', ROWS, ROOT / 'work_dirs/camvid', run, report)
