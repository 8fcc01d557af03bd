"""Segment images, or find objects in them, with a trained model: mmseg's MMSegInferencer, mmdet's
DetInferencer.

    nasvit-mm image-demo IMAGE CONFIG --weights CHECKPOINT [--out-dir outputs]

IMAGE is a file, a folder or a URL.  Drawn images go to OUT_DIR/vis, label maps to OUT_DIR/pred,
detections as JSON to OUT_DIR/preds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from nasvit_mm.checkpoints import check_checkpoint_exists, weights_only
from nasvit_mm.cli import common
from nasvit_mm.dense import build_model, check_checkpoint_fits, check_model, kind_of_config
from nasvit_mm.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('image', metavar='IMAGE', help='file, folder or URL')
    parser.add_argument('config', help='file of configs/')
    parser.add_argument('--weights', required=True, help='checkpoint: file or URL')
    parser.add_argument('--out-dir', default='outputs', help='where the results go (%(default)s)')
    parser.add_argument('--device', help='cuda:0, cpu (what there is)')
    parser.add_argument(
        '--opacity', type=float, default=0.6, help='of the drawn classes, 0 to 1 (%(default)s)'
    )
    parser.add_argument('--with-labels', action='store_true', help='write the names of classes')
    parser.add_argument(
        '--score',
        type=float,
        default=0.3,
        help='of the boxes that are drawn, at least (%(default)s)',
    )
    parser.add_argument('--show', action='store_true', help='show the images in windows')
    common.add_cfg_options(parser)


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    if '://' not in args.image and not Path(args.image).exists():
        raise UsageError(f'{args.image} does not exist')
    if not 0 < args.opacity <= 1:
        raise UsageError(f'--opacity {args.opacity}: expected a number in (0, 1]')
    cfg = common.load_config(args)
    check_model(cfg)
    check_checkpoint_exists(args.weights)
    # The inferencers would only warn of weights that do not fit, and draw noise.
    check_checkpoint_fits(build_model(cfg), args.weights, cfg)
    with weights_only():
        written = kind_of_config(cfg.model).draw(
            cfg,
            args.weights,
            args.image,
            args.out_dir,
            device=args.device,
            opacity=args.opacity,
            with_labels=args.with_labels,
            score=args.score,
            show=args.show,
        )
    print(f'pictures: {Path(args.out_dir, "vis")}, {written}')
