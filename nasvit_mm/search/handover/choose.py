"""Which candidate of a search is handed over, and out of which weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from nasvit_mm.config import type_name
from nasvit_mm.dense import Size, standalone
from nasvit_mm.errors import ArchitectureError, UsageError, unknown
from nasvit_mm.files import digest, sha256
from nasvit_mm.search.config import SearchPlan
from nasvit_mm.search.evaluators.base import build_evaluator, check_images
from nasvit_mm.search.evaluators.supernet import SupernetEvaluator
from nasvit_mm.search.handover.card import metrics_line
from nasvit_mm.search.handover.export import Exported, check_folder, export_model, export_subnet
from nasvit_mm.search.problem.idle_genes import adopted
from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.record.archive import Archive
from nasvit_mm.search.record.front import front, record_values
from nasvit_mm.search.record.identity import CONTENT_KEY, KNOWN_KEY
from nasvit_mm.spaces import Arch
from nasvit_mm.supernet import load_supernet, read_supernet_config

NUM_CALIBRATION = 64  # batches, as the papers have it
SEARCHED = 'measured in the search'  # on the card
CHANGED = (
    'the supernet is not the one that was searched: its weights, or the config it was trained '
    'with, have changed; the metrics of the search are not of these weights'
)


class Choice(NamedTuple):
    """What is handed over.

    Attributes:
        arch: the architecture.
        name: part of the folder's name.
        origin: what the card says of it.
        metrics: what the search measured.
        changed: whether the search was of another supernet than its files are now.
    """

    arch: Arch
    name: str
    origin: dict[str, Any]
    metrics: Mapping[str, float] = MappingProxyType({})
    changed: bool = False


def choose(
    plan: SearchPlan,
    folder: str | Path,
    search: str,
    *,
    candidate: int | None = None,
    best: str | None = None,
    arch: str | None = None,
) -> Choice:
    """Choose an architecture: one that is given, a candidate of the archive, or the best of its
    front.

    Args:
        folder: the work dir of the search.
        search: its config's path, for the card.
        candidate: number in the archive.
        best: the objective or constrained cost by which the best is chosen; None: the first
            objective.
        arch: an architecture, searched or not, in any form that ``Space.arch`` takes.

    Raises:
        UsageError: there is no such architecture, candidate or objective.
    """
    problem = plan.problem
    if arch is not None:
        return _given(plan, arch)
    archive = Archive.read(folder, plan.identity, loose=[CONTENT_KEY, KNOWN_KEY])
    path, records = archive.path, archive.lines
    if not records:
        raise UsageError(
            f'{path} holds no candidate: run tools/search.py {search} '
            'first, or give its --work-dir, or --arch'
        )
    if candidate is None:
        record = best_of(problem, front(problem, records), best)
    elif 0 <= candidate < len(records):
        record = records[candidate]
    else:
        raise UsageError(f'--candidate {candidate}: {path} has 0 to {len(records) - 1}')
    origin = {
        'candidate': record['index'],
        'search': search,
        'archive': str(path),
        SEARCHED: metrics_line({**record['metrics'], **record['costs']}),
    }
    chosen, changed = problem.space.arch(record['arch']), CONTENT_KEY in archive.differing
    return Choice(chosen, str(record['index']), origin, record['metrics'], changed)


def _given(plan: SearchPlan, arch: str) -> Choice:
    space = plan.problem.space
    try:
        member = adopted(space, plan.idle, arch)
    except ArchitectureError as error:
        raise UsageError(f'--arch: {error}') from error
    named = arch in ('smallest', 'largest', *space.named)
    name = arch if named else digest(member.to_dict())[:8]
    return Choice(member, name, {'chosen': f'by hand: {arch}'})


def best_of(
    problem: Problem, records: Sequence[Mapping[str, Any]], metric: str | None = None
) -> Mapping[str, Any]:
    """Return the best record of a front by an objective, or by the least of a cost that is
    constrained; None: by the first objective.

    Raises:
        UsageError: no such objective or cost, or no record.
    """
    signs = {
        **dict.fromkeys((n for n, source in problem.metrics.items() if source is not None), 1),
        **{o.metric: o.sign for o in problem.objectives},
    }
    metric = metric or problem.objectives[0].metric
    if metric not in signs:
        raise UsageError(unknown('--best', metric, signs))
    if not records:
        raise UsageError('all candidates of the search failed: give --candidate, or --arch')
    return min(records, key=lambda r: signs[metric] * record_values(r)[metric])


def export_choice(
    plan: SearchPlan,
    choice: Choice,
    out: str | Path,
    size: Size,
    *,
    checkpoint: str | None = None,
    from_scratch: bool = False,
    num_calibration: int | None = None,
    phase: int | None = None,
    force: bool = False,
    checked_in: str | Path | None = None,
) -> Exported:
    """Write a choice's folder: the whole model where the supernet was trained in the task, else a
    backbone.

    Args:
        out: the folder.
        size: (H, W) of the costs on the card.
        checkpoint: of the supernet; None: the search's.
        from_scratch: write no weights.
        num_calibration: batches for batch norms; None: as many as the papers have, of a whole model
            as in the search.
        phase: of the weight sharing; None: the search's.
        force: write over an export of something else.
        checked_in: folder with what checks of data found; None: what images and annotations hold
            is not looked at.

    Returns:
        What was written; its ``warnings`` say where it is not what the search measured.

    Raises:
        UsageError: no supernet, one of another model, or a folder that holds another export.
    """
    task, origin, warnings = plan.problem.task, dict(choice.origin), []

    def check() -> None:
        if not force:
            check_folder(out, choice.arch, origin)

    if from_scratch:
        check()
        return export_subnet(out, task, choice.arch, size, origin=origin, check=check)
    options = supernet_options(plan)
    own = checkpoint is None  # another one may be of another training
    checkpoint = checkpoint or options.get('checkpoint')
    if checkpoint is None:
        raise UsageError(
            'the search has no supernet: give --checkpoint, or --from-scratch '
            'for a config without weights'
        )
    cfg = read_supernet_config(checkpoint, options.get('config') if own else None)
    cfg.merge_from_dict(dict(options.get('cfg_options') or {}) if own else {})
    in_task = 'backbone' in standalone(cfg).model  # not of a classifier
    changes = {'num_calibration': num_calibration, 'phase': phase}
    changes = {k: v for k, v in changes.items() if v is not None}
    if in_task:
        source = task_evaluator(plan, checkpoint, own, checked_in, **changes)
    else:
        source = load_supernet(checkpoint, cfg)
    known = '' if '://' in checkpoint else f' (sha256 {sha256(checkpoint)}...)'
    origin['supernet'] = f'{checkpoint}{known}'
    if own and choice.changed:
        warnings.append(CHANGED)
        origin['supernet'] += ', NOT the one that was searched'
    if SEARCHED in origin and not (own and phase in (None, options.get('phase', 0))):
        origin[SEARCHED] += ' (of the weights that were searched, not of these)'
    check()
    if not in_task:
        phase = (options.get('phase') or 0) if phase is None else phase
        number = NUM_CALIBRATION if num_calibration is None else num_calibration
        done = export_subnet(
            out, task, choice.arch, size, source, phase, number, origin, check, checked_in
        )
        return done._replace(warnings=tuple(warnings))
    done = export_model(out, task, choice.arch, size, source, origin, check)
    if own and not changes and (differ := unlike_search(choice.metrics, done.measured)):
        warnings.append(
            f'the search had {metrics_line(differ)}: data, weights or packages are not what they '
            'were'
        )
    return done._replace(warnings=tuple(warnings))


def supernet_options(plan: SearchPlan) -> dict[str, Any]:
    """Return ``type`` and options of the search's evaluator that has a supernet's checkpoint; none
    where there is no such one.
    """
    for spec in plan.evaluators:
        if 'checkpoint' in spec.options:
            return dict(type=spec.type, **spec.options)
    return {}


def task_evaluator(
    plan: SearchPlan,
    checkpoint: str,
    own: bool,
    checked_in: str | Path | None = None,
    **changes: Any,
) -> SupernetEvaluator:
    """Build the search's evaluator; where it has none, or one of another kind of model, as a
    classifier's is, one by the config of the checkpoint.

    Args:
        own: whether the checkpoint is the search's.
        checked_in: as of :func:`export_choice`.
        changes: options that are others than in the search.
    """
    options = supernet_options(plan)
    if not (own or searched_in_task(options)):
        options = dict(type='SupernetEvaluator', config=None)
    options = {**options, **changes, 'checkpoint': checkpoint}
    if checked_in is not None:
        check_images(options, checked_in)
    return build_evaluator(options, plan.problem.space)


def searched_in_task(options: Mapping[str, Any]) -> bool:
    """Return whether an evaluator's options are of a supernet inside a dense model."""
    if type_name(options) != 'SupernetEvaluator':
        return False
    try:
        cfg = read_supernet_config(options['checkpoint'], options.get('config'))
    except UsageError:  # it is not there any more
        return False
    return 'backbone' in standalone(cfg).model


def unlike_search(found: Mapping[str, float], measured: Mapping[str, float]) -> dict[str, float]:
    """Return those metrics of the search that the exported weights do not have.

    Of a search by the mean over the phases of the weight sharing, the metrics of the first phase
    count, which is exported.
    """
    expected = {k: found.get(f'phase0/{k}', v) for k, v in found.items() if k in measured}
    return {k: v for k, v in expected.items() if measured[k] != v}
