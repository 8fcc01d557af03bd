"""Do subnets of like cost have like gradients?  Cosine similarity against the distance in MACs.

    python benchmarks/supernet/cosine.py     # after run.py elasticvit/uniform; 10 minutes on a core

Of supernets trained by uniform sampling: the gradients of 30 random subnets on the same 128
training images, and the cosine of each pair over the weights that both reach, against the
difference of their MACs (ElasticViT, section 3.1).  Writes docs/supernet_cosine.json,
which keeps the seeds that it has, and docs/supernet_cosine.png.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import combinations
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[i]) for i in (1, 2)]
from _runs import ROOT, axes_style, with_kept, written  # noqa: E402

CONFIG = 'benchmarks/supernet/elasticvit_uniform.py'
JSON = ROOT / 'docs/supernet_cosine.json'


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--subnets', type=int, default=30)
    parser.add_argument(
        '--work-dir', type=Path, default=ROOT / 'work_dirs/supernet/elasticvit/uniform'
    )
    args = parser.parse_args()
    pairs = {
        seed: similarities(args.work_dir / f'seed{seed}', args.subnets, seed) for seed in args.seeds
    }
    pairs = dict(sorted(with_kept(dict(pairs=pairs), written(JSON))['pairs'].items()))
    JSON.write_text(json.dumps(dict(summary=report(pairs), pairs=pairs)) + '\n')
    plot(pairs, ROOT / 'docs/supernet_cosine.png')


def similarities(folder: Path, subnets: int, seed: int) -> list[tuple[float, float]]:
    """(difference in MACs, cosine) of all pairs of some random subnets."""
    from mmengine.config import Config
    from mmengine.runner import Runner

    from nasvit_mm.cost import count
    from nasvit_mm.dense import load_weights
    from nasvit_mm.registry import MODELS
    from nasvit_mm.runtime import latest_checkpoint
    from nasvit_mm.supernet import cosine

    cfg = Config.fromfile(ROOT / CONFIG)
    cfg.train_dataloader.update(batch_size=128, num_workers=0, persistent_workers=False)
    model = MODELS.build(cfg.model)
    load_weights(model, latest_checkpoint(str(folder)), cfg)
    net = model.model.train()
    batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=seed)))
    batch = net.data_preprocessor(batch, True)
    archs = net.backbone.space.sample(seed, subnets)
    macs = count(net.backbone.space, archs).macs
    gradients = []
    for arch in archs:
        net.zero_grad()
        net.backbone.set_arch(arch)
        net(**batch, mode='loss')['loss'].backward()
        gradients.append([None if p.grad is None else p.grad.clone() for p in net.parameters()])
    return [
        (abs(int(macs[i]) - int(macs[j])) / 1e6, cosine(gradients[i], gradients[j]))
        for i, j in combinations(range(subnets), 2)
    ]


def report(pairs: dict[str, list]) -> dict:
    """Mean cosine of the nearest and the farthest third of the pairs, and rank correlation."""
    import numpy as np
    from scipy.stats import spearmanr

    out = {}
    print('| seed | nearest third | farthest third | Spearman |\n|---|---|---|---|')
    for seed, found in pairs.items():
        distance, value = np.array(found).T
        order = np.argsort(distance)
        near, far = (
            float(value[part].mean())
            for part in (order[: len(order) // 3], order[-(len(order) // 3) :])
        )
        rank = float(spearmanr(distance, value).statistic)
        out[seed] = dict(nearest_third=near, farthest_third=far, spearman=rank)
        print(f'| {seed} | {near:.3f} | {far:.3f} | {rank:.2f} |')
    return out


def plot(pairs: dict[str, list], path: Path) -> None:
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.6), layout='constrained')
    for i, (seed, found) in enumerate(pairs.items()):
        axes.plot(*zip(*found), '.', color=f'C{i}', alpha=0.4, label=f'seed {seed}')
    axes.set(xlabel='difference of two subnets (M MACs)', ylabel='cosine of gradients')
    axes.legend(frameon=False)
    axes_style(axes)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == '__main__':
    main()
