"""Write the configs that train, search and deploy a model for your own data.

    nasvit-mm new DIR --task seg --out my_task
    nasvit-mm new DIR --task seg --images photos --masks labels --classes road,building,sky
    nasvit-mm new DIR --task det --coco boxes.json --out my_task

DIR may be laid out in any of the ways that people have: for seg images/ and masks/ (or labels/,
annotations/), whole or by split, ADE20K, Pascal VOC, Cityscapes, COCO JSON with polygons; for det
COCO JSON, Pascal VOC's XML, YOLO; for cls a folder of images for each class.  Masks may hold
numbers, shades or colours.  What there is, is said: layout, splits, a table of the classes, and
my_task/sheet.png shows images with their labels.  Files in DIR are never changed; the task's folder
holds links to them, and masks where they had to be converted.  Then

    nasvit-mm train my_task/supernet.py
    nasvit-mm search my_task/search.py --high macs=2e9
    nasvit-mm export my_task/search.py --out my_task/winner
    nasvit-mm train my_task/winner/config.py

or all of it in one command, nasvit-mm auto.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nasvit_mm.cli import common
from nasvit_mm.errors import printable
from nasvit_mm.own_data import TASKS, described, new_task
from nasvit_mm.runtime import PlainConsole


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where data are and how they are read."""
    parser.add_argument('data', metavar='DIR', help='folder of your data')
    parser.add_argument(
        '--task', required=True, help=f'{", ".join(TASKS)}: segmentation, detection, classification'
    )
    parser.add_argument('--layout', help='where DIR can be read in several ways, which')
    parser.add_argument('--images', metavar='DIR', help='folder of the images')
    parser.add_argument('--masks', metavar='DIR', help='folder of the masks')
    parser.add_argument(
        '--coco', nargs='+', default=[], metavar='FILE', help='annotation files in COCO JSON'
    )
    parser.add_argument(
        '--classes',
        help='names, in the order of their numbers: a,b,c; with their colours: a=804080,b=4682b4; '
        'or a file, one a line',
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_arguments(parser)
    parser.add_argument('--out', type=Path, default='my_task', help='folder to write (%(default)s)')
    parser.add_argument(
        '--force', action='store_true', help='write over an earlier task in that folder'
    )


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    made = new_task(args.data, args.task, args.out, force=args.force, **data_options(args))
    for shown in (*described(made), *made.choices.reasons):
        say(shown)
    print(
        f'Now: nasvit-mm train {args.out}/supernet.py, then nasvit-mm search {args.out}/search.py '
        '--high macs=2e9'
    )


def data_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return what :func:`add_data_arguments` read, as arguments of ``new_task``."""
    names = ('layout', 'images', 'masks', 'coco', 'classes')
    return dict({name: getattr(args, name) for name in names}, say=say)


def say(shown: Any) -> None:
    """Print a line or a table."""
    if isinstance(shown, str):
        PlainConsole().print(printable(shown), markup=False, soft_wrap=True)
    else:
        PlainConsole().print(shown)
