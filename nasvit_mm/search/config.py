"""A search by a config file."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from nasvit_mm.checkpoints import read_checkpoint
from nasvit_mm.config import plain_types, type_name
from nasvit_mm.dense import DenseTask, Size, check_same_model, standalone
from nasvit_mm.deploy import LatencyTable
from nasvit_mm.errors import ArchitectureError, UsageError
from nasvit_mm.files import digest
from nasvit_mm.registry import MODELS
from nasvit_mm.search.algorithms.base import Algorithm, build_algorithm
from nasvit_mm.search.evaluators.base import describe_evaluator, evaluator_type
from nasvit_mm.search.problem.idle_genes import adopted, without_idle
from nasvit_mm.search.problem.problem import Problem, read_size
from nasvit_mm.search.record.archive import NAME, read_archive
from nasvit_mm.spaces import RESOLUTION, Arch, Space, get_space

KEYS = {
    'space',
    'task',
    'input_size',
    'objectives',
    'constraints',
    'evaluator',
    'algorithm',
    'initial',
    'latency',
    'seed',
}
EVALUATED = 'supernet'  # in an identity: what the evaluator says that its figures depend on
OTHERS = {'work_dir', 'launcher', 'custom_imports', 'default_scope'}


@dataclass(frozen=True)
class SearchPlan:
    """What a config asks for.

    Attributes:
        problem, algorithm: built.
        evaluator: ``dict(type=, imports=, content=, ...)`` as of :func:`evaluate`, None where all
            objectives are costs.
        idle: labels of genes that are no part of the task's model, see :func:`adopted`.
        identity: what makes the search this one, JSON types; under :data:`EVALUATED` the content
            of the files that the evaluator reads.
    """

    problem: Problem
    algorithm: Algorithm
    evaluator: dict[str, Any] | None
    idle: frozenset[str]
    identity: dict[str, Any]


def read_search(cfg: Config, path: str | Path | None = None) -> SearchPlan:
    """Check a search's config and build it, evaluator apart.

    Keys: ``space``; ``task``, a config file or mapping with the dense model (a file's path is
    relative to the search's config); ``input_size``; ``objectives``, ``constraints`` of
    :class:`Problem`; ``evaluator``; ``algorithm``; ``initial``, architectures to begin with: a
    list, a supernet's checkpoint with memory banks, or the archive of another search; ``latency``,
    the file of a :class:`LatencyTable`; ``seed``.

    Args:
        path: of the config file.

    Raises:
        UsageError: names the key, the value and what is allowed.
    """
    unknown = sorted(set(cfg.keys()) - KEYS - OTHERS)
    if unknown:
        raise UsageError(
            f'unknown key {", ".join(unknown)} in the search config; there are '
            f'{", ".join(sorted(KEYS))}'
        )
    for key in ('space', 'objectives', 'algorithm'):
        if cfg.get(key) is None:
            raise UsageError(f'the search config has no {key}')
    space = _space(cfg.space)
    task_cfg = _task_config(cfg.get('task'), path)
    size, table = read_size(plain_types(cfg.get('input_size'))), cfg.get('latency')
    task, idle = None, frozenset()
    if task_cfg is not None:
        task = DenseTask(task_cfg, space)
        idle = _idle(task, size)
        if not any(name.startswith('classifier.') for name in _metrics(cfg)):
            searched = without_idle(space, idle)
            if searched is not space:
                space, task = searched, DenseTask(task_cfg, searched)
    if table is not None:
        if task is None or size is None:
            raise UsageError('latency is of a task at its input_size: the config lacks one of them')
        table = LatencyTable.load(table, task, size)
    problem = Problem(
        space,
        plain_types(cfg.objectives),
        plain_types(cfg.get('constraints', [])),
        task,
        size,
        table,
    )
    options, seed = plain_types(cfg.algorithm), cfg.get('seed', 0)
    initial = _initial(cfg.get('initial'), space, idle)
    algorithm = build_algorithm(options, problem, seed, initial)
    evaluator, described = _evaluator(cfg) if problem.evaluated else (None, {})
    if task is not None and 'model' in described:
        check_same_model(task, described['model'], described.get('default_scope'))
    identity = dict(
        space=space.to_dict(),
        input_size=problem.input_size,
        task=None if task is None else plain_types(task.cfg.model),
        objectives=[o._asdict() for o in problem.objectives],
        constraints=[c._asdict() for c in problem.constraints],
        evaluator=evaluator
        and {k: v for k, v in evaluator.items() if k not in evaluator_type(evaluator).neutral},
        **({EVALUATED: described} if described else {}),
        # More generations go on where fewer ended.
        algorithm={k: v for k, v in options.items() if k != 'generations'},
        latency=table and dict(table.about, digest=table.digest),
        initial=[a if isinstance(a, str) else space.arch(a).to_dict() for a in initial],
        seed=seed,
    )
    identity = json.loads(json.dumps(identity, default=str))
    if described:
        evaluator = dict(evaluator, content=digest(identity[EVALUATED]))
    return SearchPlan(problem, algorithm, evaluator, idle, identity)


def read_task(cfg: Config, path: str | Path | None = None) -> tuple[DenseTask, Size | None]:
    """Task and input size of a search's config, or of a dense model's: with a supernet's space, of
    one architecture with the whole space that it is of.

    Raises:
        UsageError: no task in it, or a model without a backbone of this project.
    """
    if cfg.get('space') is not None:
        task = _task_config(cfg.get('task'), path)
        if task is None:
            raise UsageError('the search config has no task')
        return DenseTask(task, _space(cfg.space)), read_size(plain_types(cfg.get('input_size')))
    cfg = standalone(cfg)
    backbone = plain_types((cfg.get('model') or {}).get('backbone') or {})
    kind = MODELS.get(type_name(backbone))
    if not hasattr(kind, 'read_space'):
        raise UsageError(
            f'the backbone of the config is {backbone.get("type")!r}, none of this project'
        )
    space = kind.read_space(backbone.get('arch'), backbone.get('space'))
    return DenseTask(cfg, get_space(space.name) if space.is_single else space), None


def _idle(task: DenseTask, size: Size | None) -> frozenset[str]:
    try:
        return frozenset() if size is None else task.idle(size)  # None: an error to come
    except (ValueError, RuntimeError) as error:
        raise UsageError(f'input_size = {size}: {error}') from error


def _metrics(cfg: Config) -> list[str]:
    """Names among objectives and constraints, which are not checked yet."""
    out = []
    for key in ('objectives', 'constraints'):
        given = plain_types(cfg.get(key)) or []
        for entry in given if isinstance(given, (list, tuple)) else [given]:
            out.append(str(entry.get('metric') if isinstance(entry, Mapping) else entry))
    return out


def _space(given: Any) -> Space:
    try:
        return get_space(plain_types(given))
    except ArchitectureError as error:
        raise UsageError(f'space: {error}') from error


def _task_config(given: Any, path: str | Path | None) -> Config | None:
    if given is None or isinstance(given, Mapping):
        return given if given is None else Config(plain_types(given))
    if not isinstance(given, str):
        raise UsageError(f'task = {given!r}, expected a config file or a mapping')
    for folder in ([Path(path).parent] if path else []) + [Path()]:
        if (folder / given).is_file():
            return Config.fromfile(folder / given)
    raise UsageError(f'task: the config {given} does not exist')


def _evaluator(cfg: Config) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The evaluator's config, and what it says that its figures depend on."""
    evaluator = plain_types(cfg.get('evaluator'))
    if evaluator is None:
        return None, {}
    described = describe_evaluator(evaluator)
    imports = plain_types(cfg.get('custom_imports', {})).get('imports', [])
    return dict(evaluator, imports=list(imports)), described


def _initial(given: Any, space: Space, idle: frozenset[str]) -> Sequence[Any]:
    """Architectures out of a list, a checkpoint's memory banks, or an archive."""
    if given is None or (not isinstance(given, str) and isinstance(given, Sequence)):
        try:
            return [adopted(space, idle, a) for a in plain_types(given) or ()]
        except ArchitectureError as error:
            raise UsageError(f'initial: {error}') from error
    if not isinstance(given, str):
        raise UsageError(
            f'initial = {given!r}, expected a list of architectures, a checkpoint, or '
            'an archive.jsonl'
        )
    if Path(given).name == NAME:
        if not Path(given).is_file():
            raise UsageError(f'initial: the archive {given} does not exist')
        return _members(
            space, idle, [r['arch'] for r in read_archive(given) if 'failed' not in r], given
        )
    state = read_checkpoint(given).content.get('supernet') or {}
    banks = state.get('sampler', {}).get('bank')
    if not banks:
        raise UsageError(
            f'initial: the checkpoint {given} has no memory banks (of the sampler bank)'
        )
    ranked = sorted((entry for bank in banks for entry in bank), key=lambda e: -e[1])
    return _members(space, idle, [arch for arch, _ in ranked], given)


def _members(
    space: Space, idle: frozenset[str], archs: Sequence[Mapping], source: str
) -> list[Arch]:
    """Those that are of the searched space, which may be smaller than where they come from."""
    out, refused = [], []
    for arch in archs:
        try:
            out.append(adopted(space, idle | _resolution(space), arch))
        except ArchitectureError as error:
            refused.append(error)
    if refused:
        found = f'initial: of {len(archs)} architectures of {source} {len(out)} are in the space'
        if not out:
            raise UsageError(f'{found}; of the first: {refused[0]}') from refused[0]
        print_log(found, 'current', logging.WARNING)
    return out


def _resolution(space: Space) -> set[str]:
    """Labels of the genes that are the training resolution."""
    field = space.role(RESOLUTION)
    return set(field.labels) if field else set()
