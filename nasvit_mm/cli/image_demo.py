"""Segment images, or find objects in them, with a trained model: mmseg's MMSegInferencer, mmdet's
DetInferencer.

    nasvit-mm image-demo IMAGE CONFIG --weights CHECKPOINT [--out-dir outputs]

IMAGE is a file, a folder or a URL.  Drawn images go to OUT_DIR/vis, label maps to OUT_DIR/pred,
detections as JSON to OUT_DIR/preds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from nasvit_mm.checkpoints import check_checkpoint_exists, weights_only
from nasvit_mm.cli import common
from nasvit_mm.data import some_clauses
from nasvit_mm.dense import Drawing, build_model, check_checkpoint_fits, check_model, kind_of_config
from nasvit_mm.errors import UsageError, first_line
from nasvit_mm.runtime import check_folder

SMALLEST = 32  # pixels of a side: the stride of the last features


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
    common.check_device(args.device)
    check_folder(args.out_dir, '--out-dir')
    cfg = common.load_config(args)
    check_model(cfg)
    check_checkpoint_exists(args.weights)
    images, bad = readable_images(args.image)
    if not images:
        raise UsageError(f'no image of {args.image} can be read: {some_clauses(bad)}')
    # The inferencers would only warn of weights that do not fit, and draw noise.
    check_checkpoint_fits(build_model(cfg), args.weights, cfg)
    with weights_only():
        written = kind_of_config(cfg.model).draw(
            cfg,
            args.weights,
            images,
            args.out_dir,
            Drawing(args.device, args.opacity, args.with_labels, args.score, args.show),
        )
    print(f'pictures: {Path(args.out_dir, "vis")}, {written}')
    if bad:
        print(f'left out: {some_clauses(bad)}', file=sys.stderr)


def readable_images(source: str) -> tuple[list[str], list[str]]:
    """Return the images of a file, folder or URL, and what is wrong with those left out.

    A URL is not looked at.  Folders inside a folder are left out.
    """
    if '://' in source:
        return [source], []
    given = Path(source)
    paths = sorted(given.iterdir()) if given.is_dir() else [given]
    found, bad = [], [] if paths else ['the folder is empty']
    for path in paths:
        problem = 'a folder: give it alone' if path.is_dir() else _unreadable(path)
        if problem:
            bad.append(f'{path}: {problem}')
        else:
            found.append(str(path))
    return found, bad


def _unreadable(path: Path) -> str:
    try:
        with Image.open(path) as image:
            image.load()
    except Exception as error:  # a decoder may raise anything
        return f'no image, or a broken one ({first_line(error)})'
    if min(image.size) < SMALLEST:
        width, height = image.size
        return f'{width} x {height} pixels, expected at least {SMALLEST} x {SMALLEST}'
    return ''
