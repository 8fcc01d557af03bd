"""Write the built-in demo data, e.g.

nasvit-mm demo-data --layout ade20k --out data/demo/ADEChallengeData2016
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from nasvit_mm.cli import common
from nasvit_mm.demo_data import write_ade20k, write_cityscapes, write_coco, write_patches
from nasvit_mm.errors import UsageError
from nasvit_mm.files import write_errors

LAYOUTS = {  # name: writer, where by default
    'ade20k': (write_ade20k, 'data/demo/ADEChallengeData2016'),
    'cityscapes': (write_cityscapes, 'data/demo/cityscapes'),
    'coco': (write_coco, 'data/demo/coco'),
    'imagenet': (write_patches, 'data/demo/patches'),  # patches by class, of so many scenes
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--layout',
        default='ade20k',
        choices=LAYOUTS,
        help='whose files it looks like (%(default)s)',
    )
    parser.add_argument('--out', help='folder of the data set (by default one under data/demo)')
    parser.add_argument(
        '--num-train', type=int, default=120, help='images to train on (%(default)s)'
    )
    parser.add_argument(
        '--num-val', type=int, default=30, help='images to validate on (%(default)s)'
    )
    parser.add_argument(
        '--height', type=int, default=192, help='of an image in pixels (%(default)s)'
    )
    parser.add_argument(
        '--width', type=int, default=288, help='of an image in pixels (%(default)s)'
    )
    parser.add_argument('--seed', type=int, default=0, help='which data set (%(default)s)')


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    write, out = LAYOUTS[args.layout]
    out = args.out or out
    try:
        with write_errors(Path(out, 'images')):
            done = write(
                out, args.num_train, args.num_val, args.height, args.width, args.seed, progress=True
            )
    except MemoryError as error:
        raise UsageError(
            f'an image of {args.height} x {args.width} does not fit into memory: give a smaller '
            '--height or --width'
        ) from error
    except UsageError:
        raise
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error

    print(f'{done.root}: {"written" if done.fresh else "was there already"}')
    print(
        f'synthetic demo data in the layout of {args.layout}, {args.height} x {args.width} pixels'
    )
    print(f'{"":12s}' + ''.join(f'{split:>10s}' for split in done.counts))
    print(f'{"images":12s}' + ''.join(f'{count:10d}' for count in done.counts.values()))
    for name in done.shares['train']:
        print(
            f'{name:12s}' + ''.join(f'{100 * share[name]:9.2f}%' for share in done.shares.values())
        )
