"""Evaluate a checkpoint on the test data of a config.

    nasvit-mm test CONFIG CHECKPOINT [--show-dir DIR] [--out DIR] [--tta] ...

The same flags as mmseg's and mmdet's tool.  Unlike there, a checkpoint that does not fit the model
is an error.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from nasvit_mm import apis
from nasvit_mm.cli import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='file of configs/')
    parser.add_argument('checkpoint', help='file or URL')
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='write predicted label maps there, or of a '
        "detector its boxes and masks in COCO's JSON",
    )
    parser.add_argument('--show', action='store_true', help='show predictions in windows')
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='draw annotation | prediction of every image to DIR/vis_data/vis_image',
    )
    parser.add_argument('--wait-time', type=float, default=2, help='seconds per window of --show')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    parser.add_argument(
        '--skip-data-check',
        action='store_true',
        help='do not look at what annotations and masks hold before the run',
    )
    common.add_run_arguments(parser)


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    apis.evaluate(
        common.load_config(args),
        args.checkpoint,
        out=args.out,
        show=args.show,
        show_dir=args.show_dir,
        wait_time=args.wait_time,
        tta=args.tta,
        skip_data_check=args.skip_data_check,
    )
