"""Costs per second: the closed form over 10,000 architectures, beside mmengine's tracing counter;
and drawing 10,000 from a window of ElasticViT, beside drawing and rejecting.

    python benchmarks/cost.py
"""

from __future__ import annotations

import logging
import time

import torch
from mmengine.analysis import get_model_complexity_info

from nasvit_mm import Arch, get_space, list_spaces
from nasvit_mm.cost import WindowSampler, count
from nasvit_mm.families.nasvit.network import NASViT

SIZE = (512, 1024)


def main() -> None:
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    for name in list_spaces():
        space = get_space(name)
        genes = space.sample_genes(0, 10_000)
        count(space, genes[:10], SIZE, part='backbone')
        start = time.perf_counter()
        costs = count(space, genes, SIZE, part='backbone')
        ours = time.perf_counter() - start
        print(f'{name}: {len(genes)} architectures at {SIZE[0]} x {SIZE[1]} in {ours * 1e3:.0f} ms')
        if name == 'nasvit':
            mmengine(space.from_genes(genes[0]), costs.macs[0], ours / len(genes))
    window()


def mmengine(arch: Arch, macs: int, seconds: float) -> None:
    """Its tracing counter on one architecture."""
    net = NASViT(arch).eval()
    start = time.perf_counter()
    theirs = get_model_complexity_info(net, (3, *SIZE), show_table=False, show_arch=False)
    traced = time.perf_counter() - start
    print(
        f'mmengine: 1 architecture in {traced * 1e3:.0f} ms (without building it), '
        f'{traced / seconds:.0f} times as long each'
    )
    print(f'{arch}: closed form {macs / 1e9:.3f} GMACs, mmengine {theirs["flops"] / 1e9:.3f} G')


def window() -> None:
    """The 500 M level of ElasticViT, above its smallest subnet (the authors' counter)."""
    whole = get_space('elasticvit')
    floor, bounded = whole.named['elastic_min_800'], ('width', 'depth', 'expand_ratio', 'v_scale')
    space = whole.restrict(
        resolution=(224, 256),
        **{
            f.name: [
                [c for c in choices if c >= least]
                for choices, least in zip(f.choices, floor[f.name])
            ]
            for f in whole.fields
            if f.name in bounded
        },
    )
    start = time.perf_counter()
    sampler = WindowSampler(space, 500e6, 520e6, counter='authors')
    sampler.sample_genes(0, 10_000)
    ours = time.perf_counter() - start
    start, draws = time.perf_counter(), 1_000_000
    genes = space.sample_genes(0, draws)
    macs = count(space, genes, counter='authors').macs
    kept = int(((macs >= 500e6) & (macs <= 520e6)).sum())
    rejecting = (time.perf_counter() - start) * 10_000 / kept
    print(
        f'10,000 ElasticViTs from 500 to 520 M: {ours:.2f} s by WindowSampler; {rejecting:.0f} s '
        f'by rejection (1 of {draws // kept} fits), {rejecting / ours:.0f} times as long'
    )


if __name__ == '__main__':
    main()
