"""Peak memory of global attention at 512 x 1024, above the model.

    python benchmarks/memory.py

Resident memory of the process is sampled every 2 ms during one forward without gradients.
"""
from __future__ import annotations

import resource
import threading
from pathlib import Path

import torch

from nasvit_mm.backbones import NASViT

PAGE = resource.getpagesize()


def resident() -> int:
    return int(Path('/proc/self/statm').read_text().split()[1]) * PAGE


class Peak:
    """Largest resident memory inside the ``with``, in bytes above that at its start."""

    def __enter__(self) -> Peak:
        self.start, self.above, self.done = resident(), 0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while not self.done.wait(0.002):
            self.above = max(self.above, resident() - self.start)

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.thread.join()


def main() -> None:
    torch.set_num_threads(2)
    for arch in ('nasvit_min', 'nasvit_max'):
        net = NASViT(arch, attention='global', out_indices=(0, 1, 2, 3, 4)).eval()
        with torch.inference_mode():
            net(torch.randn(1, 3, 64, 64))
            with Peak() as peak:
                net(torch.randn(1, 3, 512, 1024))
        print(f'{arch}, global attention at 512 x 1024: {peak.above / 2 ** 30:.2f} GiB above the '
              'model')


if __name__ == '__main__':
    main()
