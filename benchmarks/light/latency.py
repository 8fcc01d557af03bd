"""Batch-1 latency of detectors, by PyTorch and by onnxruntime, all timed in turn.

    python benchmarks/light/latency.py --threads 1                   # of run.py, at 192 x 256
    python benchmarks/light/latency.py CONFIG CONFIG --shape 640 640 --threads 1

The network up to what its heads say, before boxes are chosen; weights do not matter.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import ROOT  # noqa: E402
from _timing import medians, parser  # noqa: E402
from run import ROWS, SIZE  # noqa: E402

from nasvit_mm.compat import import_onnxruntime  # noqa: E402
from nasvit_mm.dense import build_model, count_model  # noqa: E402
from nasvit_mm.deploy import Logits, export_onnx  # noqa: E402
from nasvit_mm.runtime import read_config  # noqa: E402


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument(
        'configs', nargs='*', default=[ROOT / path for path in ROWS.values()], help='files'
    )
    arguments.add_argument('--shape', nargs=2, type=int, default=SIZE, metavar=('H', 'W'))
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    images, calls, macs = torch.randn(1, 3, *args.shape), {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for config in args.configs:
            model = build_model(read_config(config))
            macs[config] = count_model(model, tuple(args.shape)).total_macs
            path = export_onnx(model, tuple(args.shape), Path(folder, f'{len(macs)}.onnx'))
            session = onnxruntime.InferenceSession(path, options)
            calls[config, 'PyTorch'] = partial(Logits(model, tuple(args.shape)), images)
            calls[config, 'onnxruntime'] = partial(session.run, None, {'pictures': images.numpy()})
        times = medians(calls, args.rounds)
    print('| config | MACs | PyTorch | onnxruntime |\n|---|---|---|---|')
    for config, of in macs.items():
        both = [f'{1e3 * times[config, name]:.1f} ms' for name in ('PyTorch', 'onnxruntime')]
        print(f'| `{Path(config).stem}` | {of / 1e9:.2f} G | {" | ".join(both)} |')


if __name__ == '__main__':
    main()
