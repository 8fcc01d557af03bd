"""Peak memory of global attention at 512 x 1024, above the model.

    python benchmarks/memory.py

Resident memory of the process is sampled every 2 ms during one forward without gradients.
"""
from __future__ import annotations

import torch

from nasvit_mm.backbones import NASViT
from nasvit_mm.cost.measure import PeakMemory


def main() -> None:
    torch.set_num_threads(2)
    for arch in ('nasvit_min', 'nasvit_max'):
        net = NASViT(arch, attention='global', out_indices=(0, 1, 2, 3, 4)).eval()
        with torch.inference_mode():
            net(torch.randn(1, 3, 64, 64))
            with PeakMemory() as peak:
                net(torch.randn(1, 3, 512, 1024))
        print(f'{arch}, global attention at 512 x 1024: {peak.above / 2 ** 30:.2f} GiB above the '
              'model')


if __name__ == '__main__':
    main()
