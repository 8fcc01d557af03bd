"""Multiply-adds and parameters of a config's model: backbone, neck, head, total.

    python tools/get_flops.py configs/seg/nasvit_ade20k.py [--shape 512 512] [--json]
    python tools/get_flops.py configs/det/nasvit_coco.py               # at its 800 x 1344
    python tools/get_flops.py configs/supernet/nasvit_ade20k.py --arch smallest

For any segmentor and detector of this project, of mmseg and of mmdet.  Attention is counted.  The
figures are MACs (multiply-adds), what papers call FLOPs; torch's own counter prints twice that.
"""

from __future__ import annotations

import argparse
import json

import _common  # first: it makes the OpenMMLab packages importable
from mmengine.config import Config
from rich.console import Console
from rich.table import Table

from nasvit_mm.dense import ModelCost, build_model, count_model, standalone
from nasvit_mm.errors import ArchitectureError, UsageError
from nasvit_mm.search import read_task


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='file of configs/')
    _common.add_shape(parser)
    parser.add_argument(
        '--arch',
        help="another architecture for this project's backbone: name, "
        "'smallest', 'largest', JSON or YAML file (of a supernet: largest)",
    )
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    _common.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = chosen(args, standalone(_common.load_config(args)))
    cost = count_model(build_model(cfg), _common.input_size(args, cfg))
    if args.json:
        print(
            json.dumps(
                dict(
                    config=args.config,
                    input_size=cost.input_size,
                    macs=cost.macs,
                    params=cost.params,
                    total_macs=cost.total_macs,
                    total_params=cost.total_params,
                )
            )
        )
    else:
        Console().print(table(cost, args.config))


def chosen(args: argparse.Namespace, cfg: Config) -> Config:
    """The config with the architecture that is asked for."""
    _common.check_model(args.config, cfg)
    if 'backbone' not in cfg.model:
        raise UsageError(
            f'{args.config} is of a {cfg.model.type}, no dense model; '
            'nasvit_mm.cost.count gives the cost of a classifier'
        )
    supernet = cfg.model.backbone.get('arch') == 'supernet'
    if args.arch is None and not supernet:
        return cfg
    task, _ = read_task(cfg)
    try:
        return task.config(args.arch or 'largest')
    except ArchitectureError as error:
        raise UsageError(f'--arch: {error}') from error


def table(cost: ModelCost, config: str) -> Table:
    """Parts below one another; G = 10^9 multiply-adds for one picture."""
    out = Table(title=f'{config} at {cost.input_size[0]} x {cost.input_size[1]}')
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


if __name__ == '__main__':
    _common.run(main)
