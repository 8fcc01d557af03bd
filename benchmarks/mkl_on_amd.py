"""Training on an AMD CPU with MKL's kernels for it, and with those that Intel's CPUs get.

    OMP_NUM_THREADS=1 python benchmarks/mkl_on_amd.py      # Linux, with gcc; two minutes

MKL, by which PyTorch multiplies matrices, asks one function of its own whether the CPU is Intel's,
and has no AVX-512 kernels for others.  A preloaded library that says yes gives them to any CPU that
has AVX-512 (docs/guides/train.md).  Both are timed in processes by turns, by processor time:
products of the sizes that networks have, and a step of the supernet of ranking/supernet.py on
random images.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = 'int mkl_serv_intel_cpu_true(void) { return 1; }\n'
PRODUCTS = ((2560, 192, 768), (640, 256, 1024), (160, 432, 1728))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rounds', type=int, default=3, help='processes of each')
    parser.add_argument('--inner', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inner:
        print(json.dumps(measured()))
        return
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / 'libmkl_kernels.so'
        build = ['gcc', '-shared', '-fPIC', '-x', 'c', '-', '-o', str(library)]
        subprocess.run(build, input=SOURCE, text=True, check=True)
        for _ in range(args.rounds):
            for preloaded in found:
                env = {k: v for k, v in os.environ.items() if k != 'LD_PRELOAD'}
                if preloaded:
                    env['LD_PRELOAD'] = str(library)
                command = [sys.executable, __file__, '--inner']
                told = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
                found[preloaded].append(json.loads(told.stdout.splitlines()[-1]))
    for name in found[True][0]:
        as_is, preloaded = ([run[name] for run in found[key]] for key in (False, True))
        ratios = [a / b for a, b in zip(as_is, preloaded)]
        print(
            f'{name}: {1e3 * statistics.median(as_is):.2f} ms, preloaded '
            f'{1e3 * statistics.median(preloaded):.2f} ms, {statistics.median(ratios):.2f} times '
            f'as fast ({min(ratios):.2f} to {max(ratios):.2f})'
        )


def measured() -> dict[str, float]:
    """Seconds of processor time by what took them, in this process."""
    import torch
    import torch.nn.functional as F
    from mmengine.config import Config
    from mmengine.optim import OptimWrapper
    from mmengine.registry import init_default_scope
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    from nasvit_mm import compat  # noqa: F401
    from nasvit_mm.registry import MODELS

    torch.set_num_threads(1)
    out = {}
    for rows, width, wide in PRODUCTS:
        x, weight = torch.randn(rows, width), torch.randn(wide, width)
        out[f'{rows} x {width} x {wide}'] = median(lambda: F.linear(x, weight), 30)  # noqa: B023
    torch.manual_seed(0)
    cfg = Config.fromfile(HERE / 'ranking/supernet.py')
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model).train()
    labels = torch.randint(0, 11, (8, 1, 128, 160))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=each)) for each in labels]
    data = dict(inputs=list(torch.randint(0, 256, (8, 3, 128, 160)).byte()), data_samples=samples)
    wrapper = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-4))
    out['a step of the supernet'] = median(lambda: model.train_step(data, wrapper), 7)
    return out


def median(call: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds + 2):
        begun = time.process_time()
        call()
        seconds.append(time.process_time() - begun)
    return statistics.median(seconds[2:])


if __name__ == '__main__':
    main()
