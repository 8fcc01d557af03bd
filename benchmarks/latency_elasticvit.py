"""Latency of ElasticViT subnets on a CPU beside timm's networks, by PyTorch and onnxruntime.

    python benchmarks/latency_elasticvit.py

The paper's headline is S1 against EfficientNet-B0 on a phone (2.62 times faster, 0.1 points more).
T1 at 128 stands beside networks of about its MACs.  Batch 1; the networks in turn.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from functools import partial
from pathlib import Path

import timm
import torch
from _timing import medians, parser

from nasvit_mm import create_model
from nasvit_mm.compat import import_onnxruntime
from nasvit_mm.dense import trace

RUNTIMES = ('PyTorch', 'onnxruntime')
GROUPS = (
    (('elastic_S1', 192), ('efficientnet_b0', 224)),
    (
        ('elastic_T1', 128),
        ('mobilenetv3_small_100', 224),
        ('mobilenetv2_035', 224),
        ('mnasnet_small', 224),
    ),
)


def main() -> None:
    args = parser(__doc__).parse_args()
    torch.set_num_threads(args.threads)
    logging.disable(logging.WARNING)
    for group in GROUPS:
        calls, macs = {}, {}
        with tempfile.TemporaryDirectory() as folder:
            for name, size in group:
                ours = name.startswith('elastic')
                net = (create_model('elasticvit', name) if ours else timm.create_model(name)).eval()
                image = torch.randn(1, 3, size, size)
                macs[name] = trace(net, size)
                calls[name, 'PyTorch'] = partial(net, image)
                calls[name, 'onnxruntime'] = exported(
                    net, image, Path(folder, f'{name}.onnx'), args.threads
                )
            # One runtime after the other: threads of either spin for a while after a call.
            times = {}
            for how in RUNTIMES:
                of_it = {key: call for key, call in calls.items() if key[1] == how}
                times.update(medians(of_it, args.rounds, warmup=10))
        first = group[0][0]
        for name, size in group:
            print(
                f'{name} at {size} ({macs[name] / 1e6:.0f} MMACs): '
                + ', '.join(
                    f'{times[name, how] * 1e3:.1f} ms by {how} '
                    f'({times[name, how] / times[first, how]:.2f} of {first})'
                    for how in RUNTIMES
                )
            )


def exported(net: torch.nn.Module, image: torch.Tensor, path: Path, threads: int) -> partial:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(net, (image,), str(path), dynamo=True, verbose=False)
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    return partial(session.run, None, {session.get_inputs()[0].name: image.numpy()})


if __name__ == '__main__':
    main()
