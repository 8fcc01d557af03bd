"""Count MACs and parameters of a config's model: backbone, neck, head, total.

    nasvit-mm flops configs/seg/nasvit_ade20k.py [--shape 512 512] [--json]
    nasvit-mm flops configs/det/nasvit_coco.py               # at its 800 x 1344
    nasvit-mm flops configs/supernet/nasvit_ade20k_supernet.py --arch smallest

For any segmentor and detector of this project, of mmseg and of mmdet.  Attention is counted.  The
figures are MACs (multiply-adds), what papers call FLOPs; torch's own counter prints twice that.
Queries, regions and instances of a detector are as many as it takes at most; how many, is printed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from rich.table import Table

from nasvit_mm.cli import common
from nasvit_mm.dense import ModelCost, count
from nasvit_mm.runtime import PlainConsole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='file of configs/')
    common.add_shape(parser)
    parser.add_argument(
        '--arch',
        help="another architecture for this project's backbone: name, "
        "'smallest', 'largest', JSON or YAML file, its printed form (of a supernet: largest)",
    )
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    common.add_cfg_options(parser)


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    cost = count(common.load_config(args), args.arch, args.shape)
    if args.json:
        print(
            json.dumps(
                dict(
                    config=args.config,
                    input_size=cost.input_size,
                    counted_with=cost.counted_with,
                    macs=cost.macs,
                    params=cost.params,
                    total_macs=cost.total_macs,
                    total_params=cost.total_params,
                )
            )
        )
    else:
        PlainConsole().print(table(cost, args.config))


def table(cost: ModelCost, config: str) -> Table:
    """Lay parts out below one another; G = 10^9 MACs for one image."""
    many = ', '.join(f'{number} {name}' for name, number in cost.counted_with.items())
    out = Table(
        title=f'{config} at {cost.input_size[0]} x {cost.input_size[1]}',
        caption=f'an image, with {many}' if many else None,
    )
    for column in ('part', 'MACs', 'share', 'parameters'):
        out.add_column(column, justify='left' if column == 'part' else 'right')
    for part, macs in cost.macs.items():
        out.add_row(
            part,
            f'{macs / 1e9:.3f} G',
            f'{macs / cost.total_macs:.0%}',
            f'{cost.params[part] / 1e6:.3f} M',
        )
    out.add_section()
    out.add_row(
        'total', f'{cost.total_macs / 1e9:.3f} G', '100%', f'{cost.total_params / 1e6:.3f} M'
    )
    return out
