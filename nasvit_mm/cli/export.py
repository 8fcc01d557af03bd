"""Hand a searched backbone over to training: weights, architecture, config, model card.

    nasvit-mm export configs/search/nasvit_ade20k_5g.py   # the best of the front
    nasvit-mm export CONFIG --candidate 117 --out work_dirs/chosen
    nasvit-mm export CONFIG --arch nasvit_min --checkpoint supernet.pth

CONFIG is the search's.  Weights are sliced out of its supernet, or of --checkpoint (of
training or conversion), and batch norms recalibrated on the task's training
pictures.  Then

    nasvit-mm train OUT/config.py

fine-tunes as it is.  Out of a supernet that was trained in the task itself comes the whole model,
measured again as in the search.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from mmengine.config import Config
from rich.console import Console

from nasvit_mm.apis import input_size
from nasvit_mm.cli import common
from nasvit_mm.config import type_name
from nasvit_mm.dense import standalone
from nasvit_mm.errors import ArchitectureError, UsageError
from nasvit_mm.files import digest, sha256
from nasvit_mm.runtime import disk_errors
from nasvit_mm.search import (
    ABOUT,
    CONFIG,
    EVALUATED,
    Archive,
    Exported,
    Problem,
    SearchPlan,
    SupernetEvaluator,
    adopted,
    build_evaluator,
    check_folder,
    export_model,
    export_subnet,
    figures,
    front,
    listed,
    read_search,
)
from nasvit_mm.spaces import Arch
from nasvit_mm.supernet import load_supernet, read_supernet_config

NUM_CALIBRATION = 64  # batches, as the papers have it
SEARCHED = 'measured in the search'  # on the card


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help="the search's, of configs/search/")
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--candidate', type=int, metavar='N', help='number in the archive')
    which.add_argument(
        '--best',
        metavar='METRIC',
        help='best candidate of the front by a metric (the first objective)',
    )
    which.add_argument('--arch', help='an architecture, searched or not: name, JSON or YAML file')
    parser.add_argument(
        '--out', type=Path, help='folder to write (WORK_DIR/export_N, of --arch export_NAME)'
    )
    parser.add_argument(
        '--force', action='store_true', help='write over an export of something else'
    )
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument('--checkpoint', help="of the supernet (the search's)")
    weights.add_argument('--from-scratch', action='store_true', help='write no weights')
    parser.add_argument(
        '--num-calibration',
        type=int,
        metavar='N',
        help="batches of the task's "
        f'training pictures for batch norms; 0: none ({NUM_CALIBRATION}, of a '
        'whole model as in the search)',
    )
    parser.add_argument('--phase', type=int, help='of the weight sharing')
    common.add_shape(parser)
    parser.add_argument('--work-dir', help='of the search (work_dirs/<name of the config>)')
    common.add_cfg_options(parser)


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    cfg = common.load_config(args)
    plan = read_search(cfg, args.config)
    problem = plan.problem
    if problem.task is None:
        raise UsageError(
            f'{args.config} names no task, whose training the backbone would '
            'be handed to: give it by --cfg-options task=CONFIG'
        )
    if args.num_calibration is not None and args.num_calibration < 0:
        raise UsageError(f'--num-calibration {args.num_calibration}: expected at least 0')
    choice = choose(args, cfg, plan)
    out = args.out or Path(cfg.work_dir, f'export_{choice.name}')
    size = input_size(problem.task.cfg, args.shape) if args.shape else problem.input_size
    with disk_errors(out):
        done = export(args, plan, choice, out, size)
    norms = done.norms.replace('*', '')
    if done.calibrated:
        print(norms)
    else:
        warn(norms)
    compare(args, choice.figures, done.measured)
    print('\n'.join(map(str, done.paths)))
    print(f'Now: python tools/train.py {out / CONFIG}')


def export(
    args: argparse.Namespace, plan: SearchPlan, choice: Choice, out: Path, size: tuple[int, int]
) -> Exported:
    task, options = plan.problem.task, plan.evaluator or {}
    arch, origin = choice.arch, choice.origin
    if args.from_scratch:
        claim(args, out, choice)
        return export_subnet(out, task, arch, size, origin=origin)
    checkpoint = args.checkpoint or options.get('checkpoint')
    if checkpoint is None:
        raise UsageError(
            'the search has no supernet: give --checkpoint, or --from-scratch '
            'for a config without weights'
        )
    own = args.checkpoint is None  # another one may be of another training
    cfg = read_supernet_config(checkpoint, options.get('config') if own else None)
    cfg.merge_from_dict(dict(options.get('cfg_options') or {}) if own else {})
    in_task = 'backbone' in standalone(cfg).model  # not of a classifier
    source = (
        task_evaluator(args, plan, checkpoint, own) if in_task else load_supernet(checkpoint, cfg)
    )
    known = '' if '://' in checkpoint else f' (sha256 {sha256(checkpoint)}...)'
    origin['supernet'] = f'{checkpoint}{known}'
    if own and choice.changed:
        warn(
            'the supernet is not the one that was searched: its weights, or the config it was '
            'trained with, have changed; the figures of the search are not of these weights'
        )
        origin['supernet'] += ', NOT the one that was searched'
    if SEARCHED in origin and not (own and args.phase in (None, options.get('phase', 0))):
        origin[SEARCHED] += ' (of the weights that were searched, not of these)'
    claim(args, out, choice)
    if in_task:
        return export_model(out, task, arch, size, source, origin)
    phase = (options.get('phase') or 0) if args.phase is None else args.phase
    number = NUM_CALIBRATION if args.num_calibration is None else args.num_calibration
    return export_subnet(out, task, arch, size, source, phase, number, origin)


def claim(args: argparse.Namespace, out: Path, choice: Choice) -> None:
    if not args.force:
        check_folder(out, choice.arch, choice.origin)


def task_evaluator(
    args: argparse.Namespace, plan: SearchPlan, checkpoint: str, own: bool
) -> SupernetEvaluator:
    """The search's; where it has none, or one of another kind of model, as a classifier's is, one
    by the config of the checkpoint.
    """
    options = {k: v for k, v in (plan.evaluator or {}).items() if k not in ABOUT}
    if not (own or searched_in_task(options)):
        options = dict(type='SupernetEvaluator', config=None)
    options |= {
        k: getattr(args, k) for k in ('num_calibration', 'phase') if getattr(args, k) is not None
    }
    return build_evaluator(dict(options, checkpoint=checkpoint), plan.problem.space)


def searched_in_task(options: Mapping[str, Any]) -> bool:
    """Whether an evaluator's options are of a supernet inside a dense model."""
    if type_name(options) != 'SupernetEvaluator':
        return False
    try:
        cfg = read_supernet_config(options['checkpoint'], options.get('config'))
    except UsageError:  # it is not there any more
        return False
    return 'backbone' in standalone(cfg).model


def compare(
    args: argparse.Namespace, found: Mapping[str, float], measured: Mapping[str, float]
) -> None:
    """Say whether a whole model is as good as the search found it."""
    if not measured:
        return
    print(f'Measured of these weights: {listed(measured)}')
    same = args.checkpoint is args.num_calibration is args.phase is None
    # Of a search by the mean over the phases, the figures of the first, which is exported.
    expected = {k: found.get(f'phase0/{k}', v) for k, v in found.items() if k in measured}
    differ = {k: v for k, v in expected.items() if measured[k] != v}
    if same and differ:
        warn(f'the search had {listed(differ)}: data, weights or packages are not what they were')


def warn(text: str) -> None:
    Console(stderr=True).print(f'WARNING: {text}', style='bold red', markup=False)


class Choice(NamedTuple):
    """What is exported.

    Attributes:
        arch: the architecture.
        name: part of the folder's name.
        origin: what the card says of it.
        figures: what the search measured.
        changed: whether the search was of another supernet than its files are now.
    """

    arch: Arch
    name: str
    origin: dict[str, Any]
    figures: Mapping[str, float] = MappingProxyType({})
    changed: bool = False


def choose(args: argparse.Namespace, cfg: Config, plan: SearchPlan) -> Choice:
    problem = plan.problem
    if args.arch is not None:
        try:
            arch = adopted(problem.space, plan.idle, args.arch)
        except ArchitectureError as error:
            raise UsageError(f'--arch: {error}') from error
        named = args.arch in ('smallest', 'largest', *problem.space.named)
        return Choice(
            arch,
            args.arch if named else digest(arch.to_dict())[:8],
            {'chosen': f'by hand: {args.arch}'},
        )
    archive = Archive(cfg.work_dir, plan.identity, resume=True, write=False, loose=[EVALUATED])
    path, records = archive.path, archive.lines
    if not records:
        raise UsageError(
            f'{path} holds no candidate: run tools/search.py {args.config} '
            'first, or give its --work-dir, or --arch'
        )
    if args.candidate is not None:
        if not 0 <= args.candidate < len(records):
            raise UsageError(f'--candidate {args.candidate}: {path} has 0 to {len(records) - 1}')
        record = records[args.candidate]
    else:
        record = best(args, problem, front(problem, records))
    return Choice(
        problem.space.arch(record['arch']),
        str(record['index']),
        describe(record, path, args.config),
        record['metrics'],
        EVALUATED in archive.differing,
    )


def best(
    args: argparse.Namespace, problem: Problem, front: list[dict[str, Any]]
) -> Mapping[str, Any]:
    goals = {o.metric: o.sign for o in problem.objectives}
    metric = args.best or problem.objectives[0].metric
    if metric not in goals:
        raise UsageError(f'--best {metric}: the objectives are {", ".join(goals)}')
    if not front:
        raise UsageError('all candidates of the search failed: give --candidate, or --arch')
    return min(front, key=lambda r: goals[metric] * figures(r)[metric])


def describe(record: Mapping[str, Any], path: Path, config: str) -> dict[str, Any]:
    return {
        'candidate': record['index'],
        'search': config,
        'archive': str(path),
        SEARCHED: listed({**record['metrics'], **record['costs']}),
    }
