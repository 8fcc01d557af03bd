"""Lay a network into a supernet that contains it.

    nasvit-mm make-supernet twins_svt_small --space vitas_twins
    nasvit-mm make-supernet work_dirs/winner --space nasvit --out supernet.pth
    nasvit-mm make-supernet ckpt_360.pth --space nasvit --arch nasvit_min

NETWORK is a name whose weights timm has (nasvit_mm.list_models(pretrained=True)), a checkpoint of
training or conversion, the folder of an export, the authors' file, or a checkpoint of a supernet,
out of which --arch is sliced.  With its architecture active the supernet computes what the network
computes; larger architectures start close to it.  Training takes the file as init_cfg=dict(
type='Pretrained', checkpoint=FILE) of the backbone; a supernet's config does all of it by itself by
model.init = NETWORK.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from nasvit_mm import apis
from nasvit_mm.cli import common
from nasvit_mm.config import parsed_value
from nasvit_mm.nn import SHARING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('network', metavar='NETWORK', help='name, checkpoint or folder')
    parser.add_argument(
        '--space',
        required=True,
        help="name of the supernet's space, or with a restriction \"dict(space='nasvit', "
        'restrict=dict(resolution=[224]))"',
    )
    parser.add_argument('--arch', help="the network's, where its file does not say it")
    parser.add_argument('--out', type=Path, help='file to write (work_dirs/supernet_NETWORK.pth)')
    parser.add_argument(
        '--phase', type=int, default=0, help='of the weight sharing, in which it is active: 0 or 1'
    )
    parser.add_argument('--sharing', choices=SHARING, help="of ViTAS's spaces (cyclic)")
    parser.add_argument(
        '--keep-order', action='store_true', help='do not sort hidden channels by importance'
    )
    parser.add_argument(
        '--share',
        type=float,
        help="factor of the weights that read channels beyond the network's (0 where widths share "
        'the first channels, else 1)',
    )


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    out = args.out or Path('work_dirs', f'supernet_{Path(args.network).stem}.pth')
    space = parsed_value(args.space) if '(' in args.space or '{' in args.space else args.space
    made = apis.make_supernet(
        args.network,
        space,
        out,
        arch=args.arch,
        phase=args.phase,
        order=not args.keep_order,
        sharing=args.sharing,
        share=args.share,
    )
    print(f'{made.note}\n{out}: the supernet of {space}')
