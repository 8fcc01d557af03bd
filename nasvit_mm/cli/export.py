"""Hand a searched backbone over to training: weights, architecture, config, model card.

    nasvit-mm export configs/search/nasvit_ade20k_5g_search.py   # the best of the front
    nasvit-mm export CONFIG --candidate 117 --out work_dirs/chosen
    nasvit-mm export CONFIG --arch nasvit_min --checkpoint supernet.pth

CONFIG is the search's.  Weights are sliced out of its supernet, or of --checkpoint (of training, or
of a conversion), and batch norms recalibrated on the task's training images.  Then

    nasvit-mm train OUT/config.py

fine-tunes as it is.  Out of a supernet that was trained in the task itself comes the whole model,
measured again as in the search, and goes to a device as it is:

    nasvit-mm deploy OUT/config.py OUT/weights.pth --to openvino --out OUT/deployed
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from nasvit_mm import apis
from nasvit_mm.cli import common
from nasvit_mm.errors import printable
from nasvit_mm.runtime import PlainConsole
from nasvit_mm.search import CONFIG, metrics_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help="the search's, of configs/search/")
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--candidate', type=int, metavar='N', help='number in the archive')
    which.add_argument(
        '--best',
        metavar='METRIC',
        help='best candidate of the front by an objective, or a constrained cost (the first '
        'objective)',
    )
    which.add_argument(
        '--arch',
        help='an architecture, searched or not: name, JSON or YAML file, or what is printed of one',
    )
    parser.add_argument(
        '--out', type=Path, help='folder to write (WORK_DIR/export_N, of --arch export_NAME)'
    )
    parser.add_argument(
        '--force', action='store_true', help='write over an export of something else'
    )
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument('--checkpoint', help="of the supernet (the search's)")
    weights.add_argument('--from-scratch', action='store_true', help='write no weights')
    parser.add_argument(
        '--num-calibration',
        type=int,
        metavar='N',
        help="batches of the task's training images for batch norms; 0: none (as the papers have "
        'it, of a whole model as in the search)',
    )
    parser.add_argument(
        '--skip-data-check',
        action='store_true',
        help='do not look at what images and annotations hold before they are used',
    )
    parser.add_argument('--phase', type=int, help='of the weight sharing')
    common.add_shape(parser)
    parser.add_argument('--work-dir', help='of the search (work_dirs/<name of the config>)')
    common.add_cfg_options(parser)


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    done = apis.export(
        common.load_config(args),
        args.out,
        candidate=args.candidate,
        best=args.best,
        arch=args.arch,
        checkpoint=args.checkpoint,
        from_scratch=args.from_scratch,
        num_calibration=args.num_calibration,
        phase=args.phase,
        shape=args.shape,
        force=args.force,
        skip_data_check=args.skip_data_check,
    )
    if done.calibrated:
        print(printable(done.norms))
    else:
        warn(done.norms)
    if done.measured:
        print(f'Measured of these weights: {metrics_line(done.measured)}')
    for text in done.warnings:
        warn(text)
    print(printable('\n'.join(map(str, done.paths))))
    (config,) = [path for path in done.paths if path.name == CONFIG]
    print(printable(f'Now: python tools/train.py {shlex.quote(str(config))}'))


def warn(text: str) -> None:
    """Print a warning on stderr."""
    PlainConsole(stderr=True).print(f'WARNING: {text}', style='bold red')
