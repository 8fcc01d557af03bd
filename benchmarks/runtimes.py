"""Latency of networks by runtime and precision, ours beside peers, in one run.

    python benchmarks/runtimes.py            # measures, and writes docs/runtimes.json
    python benchmarks/runtimes.py --report   # the table of what was measured

Batch 1, random weights, one CPU thread (of several, those of one runtime still spin when another is
called).  All networks by all runtimes are called in turn, round after round; a ratio is the median
over rounds of one call over another of the same round.  Classifiers stand beside timm's
mobilenetv3_large_100 at 224, segmentors beside torchvision's LR-ASPP at 360 x 480.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import timm
import torch
import torchvision
from _runs import ROOT
from _timing import parser
from mmengine.config import Config
from torch import nn

from nasvit_mm import create_model
from nasvit_mm.dense import build_model, trace
from nasvit_mm.deploy import Logits, get_runtime, measure_seconds, write_network

JSON = ROOT / 'docs/runtimes.json'
BY = (('onnx', 'fp32'), ('openvino', 'fp32'), ('openvino', 'bf16'), ('openvino', 'int8'))
COLUMNS = ('torch fp32', *(' '.join(by) for by in BY))


class Row(NamedTuple):
    build: Callable[[], nn.Module]
    size: tuple[int, int]
    beside: str  # the peer that ratios are over


class Lraspp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=11
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images)['out']


def segmentor(config: str, size: tuple[int, int]) -> nn.Module:
    return Logits(build_model(Config.fromfile(ROOT / config)), size)


def rows() -> dict[str, Row]:
    out = {}
    for name, size in (('mobilenetv3_large_100', 224), ('efficientnet_b0', 224)):
        out[name] = Row(partial(timm.create_model, name), (size, size), 'mobilenetv3_large_100')
    for space, name, size in (
        ('nasvit', 'nasvit_min', 192),
        ('nasvit', 'nasvit_like_421m', 224),
        ('elasticvit', 'elastic_S1', 192),
    ):
        build = partial(create_model, space, name)
        out[name] = Row(build, (size, size), 'mobilenetv3_large_100')
    size = (360, 480)
    out['lraspp'] = Row(Lraspp, size, 'lraspp')
    for name, config in (('nasvit_min', 'nasvit_camvid'), ('elastic_S1', 'elasticvit_camvid')):
        build = partial(segmentor, f'configs/seg/{config}.py', size)
        out[f'{name} + SegformerHead'] = Row(build, size, 'lraspp')
    return out


def main() -> None:
    arguments = parser(__doc__)
    arguments.set_defaults(threads=1)
    arguments.add_argument('--report', action='store_true', help='measure nothing')
    args = arguments.parse_args()
    if not args.report:
        JSON.write_text(json.dumps(measured(args.rounds, args.threads), indent=1) + '\n')
    show(json.loads(JSON.read_text()))


def measured(rounds: int, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    calls, macs, table = {}, {}, rows()
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, row) in enumerate(table.items()):
            print('writing', name, flush=True)
            net, images = row.build().eval(), torch.randn(1, 3, *row.size)
            macs[name] = int(trace(net, row.size))
            calls[name, 'torch fp32'] = partial(net, images)
            shape = tuple(images.shape)
            file = write_network(net, Path(folder, str(number)), shape, get_runtime('onnx'), 'fp32')
            for runtime, precision in BY:  # OpenVINO reads ONNX
                kind, path = get_runtime(runtime), file
                if precision == 'int8':
                    model = onnx.load(str(file))
                    path = write_network(model, file.with_suffix(''), shape, kind, precision)
                session = kind(path, threads, precision)
                calls[name, f'{runtime} {precision}'] = partial(session.run, images.numpy())
        print('timing', flush=True)
        seconds = measure_seconds(calls, rounds, warmup=5)
    return {
        name: dict(
            size=list(row.size),
            beside=row.beside,
            macs=macs[name],
            **{
                column: dict(
                    ms=1e3 * float(np.median(seconds[name, column])),
                    ratio=float(np.median(seconds[name, column] / seconds[row.beside, column])),
                )
                for column in COLUMNS
            },
        )
        for name, row in table.items()
    }


def show(found: dict[str, Any]) -> None:
    """Print milliseconds; the ratio to the peer; that ratio per MAC."""
    print(f'| network | MACs | {" | ".join(COLUMNS)} |')
    print('|---' * (2 + len(COLUMNS)) + '|')
    for name, row in found.items():
        per_mac = found[row['beside']]['macs'] / row['macs']
        cells = [
            f'{row[column]["ms"]:.1f} ms, {row[column]["ratio"]:.2f}, '
            f'{row[column]["ratio"] * per_mac:.2f} a MAC'
            for column in COLUMNS
        ]
        height, width = row['size']
        print(f'| `{name}`, {height} x {width} | {row["macs"] / 1e6:.0f} M | {" | ".join(cells)} |')


if __name__ == '__main__':
    main()
