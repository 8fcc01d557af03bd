"""Time of NASViT's backbones per MAC by size: windows, on a CPU.

    python benchmarks/latency.py

Prints, from one run, the time per MAC at dense sizes (windows) over that at 192.
benchmarks/runtimes.py stands them beside other networks.
"""

from __future__ import annotations

from functools import partial

import torch
from _timing import medians, parser

from nasvit_mm.cost import count
from nasvit_mm.families.nasvit.network import NASViT

ARCHS = ('nasvit_min', 'nasvit_like_421m')
SIZES = ((192, 192), (512, 512), (512, 1024))


def main() -> None:
    args = parser(__doc__).parse_args()
    torch.set_num_threads(args.threads)
    for arch in ARCHS:
        net = NASViT(arch, attention='window').eval()
        images = {size: torch.randn(1, 3, *size) for size in SIZES}
        times = medians({str(s): partial(net, images[s]) for s in SIZES}, max(5, args.rounds // 3))
        per_mac = {
            s: times[str(s)] / count('nasvit', arch, s, part='backbone').macs * 1e12 for s in SIZES
        }
        for size in SIZES:
            print(
                f'{arch} backbone at {size[0]} x {size[1]}: {times[str(size)] * 1e3:.0f} ms, '
                f'{per_mac[size]:.1f} ps per MAC, ratio to 192 '
                f'{per_mac[size] / per_mac[SIZES[0]]:.2f}'
            )


if __name__ == '__main__':
    main()
