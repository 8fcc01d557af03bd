"""Go the whole way on your own data, in one command: from a folder to a deployed model.

    nasvit-mm auto DIR --task seg --macs 2G
    nasvit-mm auto DIR --task seg --latency 20ms --runtime openvino --hours 3 --work-dir W

Reads the data and writes a task's configs (nasvit-mm new), trains a supernet in the task, searches
it under the budget of the whole model, exports and fine-tunes the winner, writes it for the runtime
that deploys it, measures the metric and the latency of that very file, and ends with a page:
W/index.html.  Sizes and lengths are chosen by the number of images, the hardware and the hours that
are given; each choice is printed with its reason, and stands in the configs in W/task.

The same command again resumes: steps whose result stands are skipped.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from nasvit_mm.auto import Wish, default_runtime, run_auto
from nasvit_mm.cli import common
from nasvit_mm.cli.new import add_data_arguments, data_options, say
from nasvit_mm.deploy import PRECISIONS, RUNTIMES

FACTORS = {'': 1.0, 'K': 1e3, 'M': 1e6, 'G': 1e9, 'T': 1e12}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_arguments(parser)
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument('--macs', type=macs, help='of the whole model at most: 2G, 500M')
    budget.add_argument(
        '--latency', type=milliseconds, help='of the whole model at most, by the runtime: 20ms'
    )
    parser.add_argument(
        '--runtime',
        help=f'that deploys: {", ".join(n for n in RUNTIMES if n != "torch-compile")} (what is '
        'installed: openvino, else onnx)',
    )
    parser.add_argument(
        '--precision', choices=PRECISIONS, default='fp32', help='of the artefact (%(default)s)'
    )
    parser.add_argument(
        '--hours', type=float, default=3.0, help='for everything, roughly (%(default)s)'
    )
    parser.add_argument(
        '--threads',
        type=int,
        default=len(os.sched_getaffinity(0)),
        help='of the CPU, where latency is measured (all)',
    )
    parser.add_argument(
        '--pretrained',
        metavar='FILE|NAME',
        help='weights that the supernet begins with, as of nasvit-mm train (none)',
    )
    parser.add_argument('--work-dir', type=Path, help='folder of everything (work_dirs/auto_DIR)')


def macs(text: str) -> float:
    """Read ``2G``."""
    found = re.fullmatch(r'([\d.]+(?:e\d+)?)\s*([KMGT]?)', text, re.IGNORECASE)
    try:
        return float(found[1]) * FACTORS[found[2].upper()]
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(f'{text!r}: expected MACs, as in 2G or 500M') from None


def milliseconds(text: str) -> float:
    """Read ``20ms`` or ``0.02s``."""
    found = re.fullmatch(r'([\d.]+)\s*(ms|s)', text)
    try:
        return float(found[1]) * (1000 if found[2] == 's' else 1)
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(f'{text!r}: expected a time, as in 20ms') from None


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    reading = data_options(args)
    del reading['say']
    high = {'macs': args.macs} if args.macs is not None else {'latency': args.latency}
    data = Path(args.data).expanduser().absolute()
    wish = Wish(
        str(data),
        args.task,
        high,
        args.runtime or default_runtime(),
        args.precision,
        args.hours,
        args.threads,
        reading,
        args.pretrained,
    )
    page = run_auto(wish, args.work_dir or Path('work_dirs', f'auto_{data.name}'), say)
    print(f'all there is to see: {page}')
