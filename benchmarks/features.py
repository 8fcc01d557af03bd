"""Feature maps of dense images: subnets beside timm's mobile networks of as many MACs.

    python benchmarks/features.py

Batch 1 by PyTorch, random weights, timm's networks with their branches merged.  Beside each stands
the subnet of either space, out of 5,000 drawn, whose backbone comes closest to its MACs.  All
networks of a size are called in turn; a ratio is the median over rounds of one call over the peer's
of the same round.  By processor time, which with one thread is the time on a machine that does
nothing else.
"""

from __future__ import annotations

import time

import numpy as np
import timm
import torch
from _timing import parser
from timm.utils.model import reparameterize_model
from torch import nn

from nasvit_mm import get_space
from nasvit_mm.cost import count
from nasvit_mm.dense import trace
from nasvit_mm.families.elasticvit.network import ElasticViT
from nasvit_mm.families.nasvit.network import NASViT

PEERS = ('mobilenetv4_conv_small', 'mobilenetv4_conv_medium', 'efficientvit_b1', 'repvit_m1_1')
SIZES = ((512, 512), (512, 1024))
OURS = {'nasvit': NASViT, 'elasticvit': ElasticViT}
DRAWN = 5000


def peer(name: str) -> nn.Module:
    return reparameterize_model(timm.create_model(name, features_only=True).eval())


def closest(space_name: str, macs: int, size: tuple[int, int]) -> tuple[nn.Module, int]:
    """Return the backbone of a space, and its MACs, that comes closest to a number of them."""
    space = get_space(space_name)
    drawn = space.sample(np.random.default_rng(0), DRAWN)
    costs = count(space_name, space.genes(drawn), size, part='backbone').macs
    best = int(np.abs(costs - macs).argmin())
    return OURS[space_name](drawn[best]).eval(), int(costs[best])


@torch.inference_mode()
def seconds(
    networks: dict[str, nn.Module], size: tuple[int, int], rounds: int
) -> dict[str, np.ndarray]:
    """Return the processor time of each call of each network, (rounds,)."""
    images = torch.randn(1, 3, *size)
    out = {name: [] for name in networks}
    for _ in range(rounds + 1):
        for name, network in networks.items():
            start = time.process_time()
            network(images)
            out[name].append(time.process_time() - start)
    return {name: np.array(times[1:]) for name, times in out.items()}


def main() -> None:
    arguments = parser(__doc__)
    arguments.set_defaults(threads=1, rounds=7)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    print('| network | MACs | time | closest of `nasvit` | closest of `elasticvit` |')
    print('|---|---|---|---|---|')
    for size in SIZES:
        for name in PEERS:
            networks = {name: peer(name)}
            macs = {name: int(trace(networks[name], size))}
            for space in OURS:
                networks[space], macs[space] = closest(space, macs[name], size)
            times = seconds(networks, size, args.rounds)
            cells = [
                f'{macs[space] / 1e9:.2f} G, {1e3 * np.median(times[space]):.0f} ms, '
                f'{np.median(times[space] / times[name]):.2f}'
                for space in OURS
            ]
            print(
                f'| `{name}`, {size[0]} x {size[1]} | {macs[name] / 1e9:.2f} G | '
                f'{1e3 * np.median(times[name]):.0f} ms | {" | ".join(cells)} |',
                flush=True,
            )


if __name__ == '__main__':
    main()
