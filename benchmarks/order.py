"""How far a classification budget goes wrong for a dense model: the order of subnets by each.

    python benchmarks/order.py [--samples 2000]

For each family, random subnets by the MACs of the classifier at 224 (and at each one's own
resolution, as the papers have it) and by those of backbone, neck and head of its Cityscapes config
at 512 x 1024.  Kendall's tau of the two, the share of pairs that the budgets order differently, and
the pair that is furthest apart: as dear or cheaper at 224, dearer as a dense model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from mmengine.config import Config
from scipy.stats import kendalltau

from nasvit_mm import compat, get_space  # noqa: F401
from nasvit_mm.cost import count
from nasvit_mm.dense import SearchedModel

ROOT = Path(__file__).resolve().parents[1]
TASKS = {
    'nasvit': 'nasvit_cityscapes',
    'elasticvit': 'elasticvit_cityscapes',
    'vitas_twins': 'vitas_cityscapes',
}
SIZE = (512, 1024)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--samples', type=int, default=2000)
    args = parser.parse_args()
    print(
        '| space | tau, at 224 | tau, own resolution | pairs ordered differently (224) | '
        'furthest pair: at 224 | as dense models |\n|---|---|---|---|---|---|'
    )
    for name, config in TASKS.items():
        space = get_space(name)
        task = SearchedModel(Config.fromfile(ROOT / f'configs/seg/{config}.py'), space)
        genes = space.sample_genes(0, args.samples)
        dense = task.total(genes, SIZE).macs
        at_224, own = count(space, genes, 224).macs, count(space, genes).macs
        cheaper = at_224[:, None] <= at_224[None]
        np.fill_diagonal(cheaper, False)
        wrong = cheaper & (dense[:, None] > dense[None])
        ratio = np.where(wrong, dense[:, None] / dense[None], 0)
        a, b = np.unravel_index(ratio.argmax(), ratio.shape)
        print(
            f'| `{name}` | {kendalltau(at_224, dense).statistic:.2f} | '
            f'{kendalltau(own, dense).statistic:.2f} | {100 * wrong.sum() / cheaper.sum():.1f} % '
            f'| {at_224[a] / 1e6:.0f} M and {at_224[b] / 1e6:.0f} M | {dense[a] / 1e9:.2f} G and '
            f'{dense[b] / 1e9:.2f} G: {100 * (ratio[a, b] - 1):.0f} % more |'
        )


if __name__ == '__main__':
    main()
