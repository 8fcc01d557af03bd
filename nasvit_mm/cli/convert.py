"""Turn an official checkpoint into one of this package.

    nasvit-mm convert nasvit ckpt_360.pth nasvit_supernet.pth
    nasvit-mm convert nasvit ckpt_360.pth nasvit_min.pth --arch nasvit_min
    nasvit-mm convert vitas_twins twins_svt_small.safetensors twins.pth --arch twins_svt_small

The result holds the supernet, or with --arch the subnet that is sliced out of it; a config takes
the latter as init_cfg=dict(type='Pretrained', checkpoint=...).  Batch norm statistics of a
supernet fit no subnet: recalibrate them before judging one (training does it by itself).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from nasvit_mm.checkpoints import convert_official, read_checkpoint, save_weights
from nasvit_mm.cli import common
from nasvit_mm.errors import UsageError
from nasvit_mm.spaces import get_space, list_spaces


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('space', help=f'whose checkpoint it is: {", ".join(list_spaces())}')
    parser.add_argument('checkpoint', help="the authors' file")
    parser.add_argument('out', help='file to write')
    parser.add_argument(
        '--arch',
        help="name, JSON or YAML file, printed form, or ViTAS's net_id, of an "
        'architecture to slice out; of whole networks: of theirs',
    )
    parser.add_argument(
        '--phase',
        type=int,
        default=0,
        help='of the weight sharing, to slice a ViTAS subnet out: 0 or 1',
    )


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    try:
        space = get_space(args.space)
        arch = None if args.arch is None else space.arch(args.arch)
        state = convert_official(space, read_checkpoint(args.checkpoint).content, arch, args.phase)
        save_weights(
            args.out, state, space, arch, source=Path(args.checkpoint).name, bn_recalibrated=False
        )
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    numbers = sum(v.numel() for v in state.values())
    print(
        f'{args.out}: {arch or f"the supernet of {space.name}"}, {len(state)} tensors, '
        f'{numbers / 1e6:.2f} M numbers'
    )
