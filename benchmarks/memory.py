"""Peak memory of global attention at 512 x 1024, above the model.

    python benchmarks/memory.py

Resident memory of the process is sampled every 2 ms during one forward without gradients.
"""
from __future__ import annotations

import resource
import threading
import time
from pathlib import Path

import torch

from nasvit_mm.backbones import NASViT

PAGE = resource.getpagesize()


def resident() -> int:
    return int(Path('/proc/self/statm').read_text().split()[1]) * PAGE


def main() -> None:
    torch.set_num_threads(2)
    for arch in ('nasvit_min', 'nasvit_max'):
        net = NASViT(arch, attention='global', out_indices=(0, 1, 2, 3, 4)).eval()
        with torch.inference_mode():
            net(torch.randn(1, 3, 64, 64))
        before, peak, done = resident(), [0], threading.Event()

        def watch() -> None:
            while not done.is_set():
                peak[0] = max(peak[0], resident())  # noqa: B023 - ends within the iteration
                time.sleep(0.002)

        thread = threading.Thread(target=watch)
        thread.start()
        with torch.inference_mode():
            net(torch.randn(1, 3, 512, 1024))
        done.set()
        thread.join()
        print(f'{arch}, global attention at 512 x 1024: {(peak[0] - before) / 2 ** 30:.2f} GiB '
              'above the model')


if __name__ == '__main__':
    main()
