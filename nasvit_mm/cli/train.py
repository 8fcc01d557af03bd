"""Train the model of a config.

    nasvit-mm train configs/seg/nasvit_ade20k.py [--work-dir DIR] [--resume] [--amp] ...
    tools/dist_train.sh CONFIG 8                    # 8 GPUs; tools/slurm_train.sh for a cluster

The same flags as mmseg's and mmdet's tool.  A run that was killed resumes with --resume as if it
had not been: the same batches in the same order, bit-equal weights on the same CPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from nasvit_mm import apis
from nasvit_mm.cli import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='file of configs/')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from a checkpoint; without a name from the latest in the work dir',
    )
    parser.add_argument(
        '--pretrained',
        metavar='FILE|NAME',
        help='weights that the backbone begins with: a checkpoint of this network or of a supernet '
        "that has it, ours or the authors', or a name whose weights timm has (docs/weights.md)",
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate by the batch size over the config's base_batch_size",
    )
    parser.add_argument(
        '--tensorboard', action='store_true', help='also log for TensorBoard, to the work dir'
    )
    parser.add_argument(
        '--skip-data-check',
        action='store_true',
        help='do not look at what annotations and masks hold before the run',
    )
    parser.add_argument(
        '--fit-schedule',
        action='store_true',
        help='scale warm-up, milestones and ends of the schedule to the length of training',
    )
    common.add_run_arguments(parser)


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    apis.train(
        common.load_config(args),
        args.resume,
        pretrained=args.pretrained,
        amp=args.amp,
        auto_scale_lr=args.auto_scale_lr,
        tensorboard=args.tensorboard,
        skip_data_check=args.skip_data_check,
        fit_schedule=args.fit_schedule,
    )
