"""Batch-1 latency of the three detectors of run.py, by PyTorch and by onnxruntime.

    python benchmarks/light/latency.py --threads 1

The network up to what its heads say, before boxes are chosen, at the size of the table and at
640 x 640.  All calls of one size are timed in turn.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

import onnxruntime
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import ROOT  # noqa: E402
from _timing import medians, parser  # noqa: E402
from run import ROWS, SIZE  # noqa: E402

from nasvit_mm.dense import build_model  # noqa: E402
from nasvit_mm.deploy import Logits, export_onnx  # noqa: E402
from nasvit_mm.runtime import read_config  # noqa: E402


def main() -> None:
    args = parser(__doc__).parse_args()
    torch.set_num_threads(args.threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    print('| model | size | PyTorch | onnxruntime |\n|---|---|---|---|')
    for size in (SIZE, (640, 640)):
        images, calls = torch.randn(1, 3, *size), {}
        with tempfile.TemporaryDirectory() as folder:
            for row, config in ROWS.items():
                model = build_model(read_config(ROOT / config))
                path = export_onnx(model, size, Path(folder, f'{row}.onnx'))
                session = onnxruntime.InferenceSession(str(path), options)
                calls[row, 'PyTorch'] = partial(Logits(model, size), images)
                calls[row, 'onnxruntime'] = partial(session.run, None, {'pictures': images.numpy()})
            times = medians(calls, args.rounds)
        for row in ROWS:
            both = (times[row, backend] for backend in ('PyTorch', 'onnxruntime'))
            print(
                f'| `{row}` | {size[0]} x {size[1]} | '
                f'{" | ".join(f"{1e3 * t:.1f} ms" for t in both)} |'
            )


if __name__ == '__main__':
    main()
