"""Peak memory of a backbone's forward without gradients, above the model.

    python benchmarks/memory.py

Global attention at 512 x 1024, and `attention='auto'` at a detector's 800 x 1344.  Resident memory
is sampled every 2 ms during the first forward of its size, each in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys

import torch

from nasvit_mm.deploy import PeakMemory
from nasvit_mm.families.elasticvit.network import ElasticViT
from nasvit_mm.families.nasvit.network import NASViT
from nasvit_mm.families.vitas_twins.network import TwinsViTAS

KINDS = {kind.__name__: kind for kind in (NASViT, ElasticViT, TwinsViTAS)}
CASES = [
    *(('NASViT', arch, 'global', 512, 1024) for arch in ('nasvit_min', 'nasvit_max')),
    *(
        (kind, arch, 'auto', 800, 1344)
        for kind, arch in (
            ('NASViT', 'nasvit_min'),
            ('NASViT', 'nasvit_max'),
            ('ElasticViT', 'elastic_S1'),
            ('ElasticViT', 'elastic_L3'),
            ('TwinsViTAS', 'twins_svt_small'),
        )
    ),
]


def main() -> None:
    if len(sys.argv) > 1:
        measure(*sys.argv[1:4], *map(int, sys.argv[4:6]))
        return
    for case in CASES:
        subprocess.run([sys.executable, __file__, *map(str, case)], check=True)


def measure(kind: str, arch: str, attention: str, height: int, width: int) -> None:
    torch.set_num_threads(2)
    kind = KINDS[kind]
    net = kind(arch, attention=attention, out_indices=range(len(kind.strides))).eval()
    with torch.inference_mode():
        net(torch.randn(1, 3, 64, 64))
        image = torch.randn(1, 3, height, width)
        with PeakMemory() as peak:
            net(image)
    print(
        f'{arch}, attention {attention!r} at {height} x {width}: {peak.above / 2**30:.2f} GiB '
        'above the model',
        flush=True,
    )


if __name__ == '__main__':
    main()
