"""Costs per second: the closed form over 10,000 architectures, beside mmengine's tracing counter.

    python benchmarks/cost.py
"""
from __future__ import annotations

import logging
import time

import torch
from mmengine.analysis import get_model_complexity_info

from nasvit_mm import get_space
from nasvit_mm.backbones import NASViT
from nasvit_mm.cost import count

SIZE = (512, 1024)


def main() -> None:
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    space = get_space('nasvit')
    genes = space.sample_genes(0, 10_000)
    count(space, genes[:10], SIZE, part='backbone')
    start = time.perf_counter()
    costs = count(space, genes, SIZE, part='backbone')
    ours = time.perf_counter() - start
    arch = space.from_genes(genes[0])
    net = NASViT(arch).eval()
    start = time.perf_counter()
    theirs = get_model_complexity_info(net, (3, *SIZE), show_table=False, show_arch=False)
    traced = time.perf_counter() - start
    print(f'closed form: {len(genes)} architectures at {SIZE[0]} x {SIZE[1]} in {ours * 1e3:.0f} '
          f'ms ({ours / len(genes) * 1e6:.1f} us each)')
    print(f'mmengine: 1 architecture in {traced * 1e3:.0f} ms (without building it), '
          f'{traced / ours * len(genes):.0f} times as long each')
    print(f'{arch}: closed form {costs.macs[0] / 1e9:.3f} GMACs, mmengine '
          f'{theirs["flops"] / 1e9:.3f} G')


if __name__ == '__main__':
    main()
