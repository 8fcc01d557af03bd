"""Latency of NASViT subnets on a CPU, beside timm's MobileNetV3, and per multiply-add by size.

    python benchmarks/latency.py

Prints, from one run: batch-1 latency of the smallest subnet at 192 over mobilenetv3_large_100 at
224; and the time per multiply-add of the backbone at dense sizes (windows) over that at 192.
"""

from __future__ import annotations

from functools import partial

import timm
import torch
from _timing import medians, parser

from nasvit_mm import create_model
from nasvit_mm.cost import count
from nasvit_mm.families.nasvit.network import NASViT

ARCHS = ('nasvit_min', 'nasvit_like_421m')
SIZES = ((192, 192), (512, 512), (512, 1024))


def main() -> None:
    args = parser(__doc__).parse_args()
    torch.set_num_threads(args.threads)
    nasvit = create_model('nasvit', 'nasvit_min').eval()
    mobilenet = timm.create_model('mobilenetv3_large_100').eval()
    small, usual = torch.randn(1, 3, 192, 192), torch.randn(1, 3, 224, 224)
    times = medians(
        {'nasvit': lambda: nasvit(small), 'mobilenet': lambda: mobilenet(usual)},
        args.rounds,
        warmup=10,
    )
    ours, theirs = times['nasvit'], times['mobilenet']
    print(
        f'nasvit_min at 192: {ours * 1e3:.1f} ms; mobilenetv3_large_100 at 224: '
        f'{theirs * 1e3:.1f} ms; ratio {ours / theirs:.2f}'
    )
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
                f'{per_mac[size]:.1f} ps per multiply-add, ratio to 192 '
                f'{per_mac[size] / per_mac[SIZES[0]]:.2f}'
            )


if __name__ == '__main__':
    main()
