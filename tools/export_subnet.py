"""Hand a searched backbone over to training: weights, architecture, config, model card.

    python tools/export_subnet.py configs/search/nasvit_ade20k_5g.py   # the best of the front
    python tools/export_subnet.py CONFIG --candidate 117 --out work_dirs/chosen
    python tools/export_subnet.py CONFIG --arch nasvit_min --checkpoint supernet.pth

CONFIG is the search's.  Weights are sliced out of its supernet, or of --checkpoint (of
tools/train.py or tools/convert_checkpoint.py), and batch norms recalibrated on the task's training
pictures.  Then

    python tools/train.py OUT/config.py

fine-tunes as it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _common  # first: it makes the OpenMMLab packages importable
from mmengine.config import Config
from rich.console import Console

from nasvit_mm import engine
from nasvit_mm import search as nas
from nasvit_mm.supernet import load_supernet


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help="the search's, of configs/search/")
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--candidate', type=int, metavar='N', help='number in the archive')
    which.add_argument('--best', metavar='METRIC', help='best candidate of the front by a metric '
                       '(the first objective)')
    which.add_argument('--arch', help='an architecture, searched or not: name, JSON or YAML file')
    parser.add_argument('--out', type=Path, help='folder to write (WORK_DIR/export_N)')
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument('--checkpoint', help="of the supernet (the search's)")
    weights.add_argument('--from-scratch', action='store_true', help='write no weights')
    parser.add_argument('--num-calibration', type=int, default=64, metavar='N', help='batches of '
                        "the task's training pictures for batch norms; 0: none (%(default)s)")
    parser.add_argument('--phase', type=int, help='of the weight sharing')
    _common.add_shape(parser)
    parser.add_argument('--work-dir', help='of the search (work_dirs/<name of the config>)')
    _common.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = _common.load_config(args)
    plan = nas.read_search(cfg, args.config)
    problem = plan.problem
    if problem.task is None:
        raise engine.UsageError(f'{args.config} names no task, whose training the backbone would '
                                'be handed to: give it by --cfg-options task=CONFIG')
    if args.num_calibration < 0:
        raise engine.UsageError(f'--num-calibration {args.num_calibration}: expected at least 0')
    arch, origin = choose(args, cfg, plan)
    options = plan.evaluator or {}
    checkpoint = args.checkpoint or options.get('checkpoint')
    supernet = None
    if not args.from_scratch:
        supernet = read_supernet(args, checkpoint, options)
        origin |= {'supernet': f'{checkpoint} (sha256 {nas.sha256(checkpoint)}...)'}
    out = args.out or Path(cfg.work_dir, f'export_{origin.get("candidate", "arch")}')
    size = _common.input_size(args, problem.task.cfg) if args.shape else problem.input_size
    phase = options.get('phase', 0) if args.phase is None else args.phase
    with engine.disk_errors(out):
        done = nas.export_subnet(out, problem.task, arch, size, supernet, phase,
                                 args.num_calibration, origin)
    norms = done.norms.replace('*', '')
    if done.calibrated:
        print(norms)
    else:
        Console(stderr=True).print(f'WARNING: {norms}', style='bold red', markup=False)
    print('\n'.join(map(str, done.paths)))
    print(f'Now: python tools/train.py {out / nas.CONFIG}')


def choose(args: argparse.Namespace, cfg: Config,
           plan: nas.SearchPlan) -> tuple[Any, dict[str, Any]]:
    """The architecture, and what the card says of it."""
    problem = plan.problem
    if args.arch is not None:
        try:
            return problem.space.arch(args.arch), {'chosen': f'by hand: {args.arch}'}
        except (KeyError, ValueError, TypeError, OSError) as error:
            raise engine.UsageError(f'--arch: {error.args[0]}') from error
    archive = nas.Archive(cfg.work_dir, plan.identity, resume=True, write=False)
    path, records = archive.path, archive.lines
    if not records:
        raise engine.UsageError(f'{path} holds no candidate: run tools/search.py {args.config} '
                                'first, or give its --work-dir, or --arch')
    if args.candidate is not None:
        if not 0 <= args.candidate < len(records):
            raise engine.UsageError(f'--candidate {args.candidate}: {path} has 0 to '
                                    f'{len(records) - 1}')
        record = records[args.candidate]
    else:
        record = best(args, problem, nas.front(problem, records))
    return record['arch'], describe(record, path, args.config)


def best(args: argparse.Namespace, problem: nas.Problem,
         front: list[dict[str, Any]]) -> Mapping[str, Any]:
    goals = {o.metric: o.sign for o in problem.objectives}
    metric = args.best or problem.objectives[0].metric
    if metric not in goals:
        raise engine.UsageError(f'--best {metric}: the objectives are {", ".join(goals)}')
    return min(front, key=lambda r: goals[metric] * {**r['costs'], **r['metrics']}[metric])


def describe(record: Mapping[str, Any], path: Path, config: str) -> dict[str, Any]:
    figures = {**record['metrics'], **record['costs']}
    return {'candidate': record['index'], 'search': config, 'archive': str(path),
            'measured in the search': ', '.join(f'{k} {v:.6g}' for k, v in figures.items())}


def read_supernet(args: argparse.Namespace, checkpoint: str | None,
                  options: Mapping[str, Any]) -> Any:
    if checkpoint is None:
        raise engine.UsageError('the search has no supernet: give --checkpoint, or --from-scratch '
                                'for a config without weights')
    own = not args.checkpoint and options.get('config')
    cfg = Config.fromfile(options['config']) if own else None
    if own:
        cfg.merge_from_dict(dict(options.get('cfg_options') or {}))
    return load_supernet(checkpoint, cfg)


if __name__ == '__main__':
    _common.run(main)
