"""A search by a config file."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from nasvit_mm.building import building, read_file
from nasvit_mm.config import custom_imports, find_config, plain_types
from nasvit_mm.dense import SearchedModel, Size, check_same_model, inner_model, searched_model
from nasvit_mm.errors import ArchitectureError, UsageError, check_number, closest
from nasvit_mm.runtime import RUNNER_KEYS, check_has_model, config_name
from nasvit_mm.search.algorithms import Algorithm, build_algorithm
from nasvit_mm.search.evaluators.base import EvaluatorSpec, describe_evaluator, evaluator_type
from nasvit_mm.search.evaluators.execute import TIME_LIMIT
from nasvit_mm.search.halving import Rung, read_rungs
from nasvit_mm.search.initial import read_initial, warn_of_initial
from nasvit_mm.search.problem.idle_genes import without_idle
from nasvit_mm.search.problem.problem import Problem, read_size
from nasvit_mm.search.problem.sources import LatencyCost, Searched
from nasvit_mm.search.record.identity import CONTENT_KEY
from nasvit_mm.spaces import Space, get_space

KEYS = {
    'space',
    'task',
    'input_size',
    'objectives',
    'constraints',
    'costs',
    'evaluator',
    'evaluators',
    'halving',
    'algorithm',
    'initial',
    'latency',
    'seed',
    'time_limit',
    'visualizer',
}
LONGEST = 10 * 365 * 86400  # seconds; an alarm takes no more
LARGEST_SEED = 2**32 - 1  # what numpy and torch both take
OTHERS = {'work_dir', 'launcher', 'custom_imports', 'default_scope'}


@dataclass(frozen=True)
class SearchPlan:
    """What a config asks for.

    Attributes:
        problem, algorithm: built.
        evaluators: what measures a candidate; none where all objectives are costs.
        idle: labels of genes that are no part of the task's model, see :func:`adopted`.
        identity: what makes the search this one, JSON types; under :data:`CONTENT_KEY` the content
            of the files that the evaluators read.
        time_limit: seconds that a candidate may take; None: as long as it likes.
        halving: looks at a share of the images, see :mod:`nasvit_mm.search.halving`.
    """

    problem: Problem
    algorithm: Algorithm
    evaluators: tuple[EvaluatorSpec, ...]
    idle: frozenset[str]
    identity: dict[str, Any]
    time_limit: float | None = TIME_LIMIT
    halving: tuple[Rung, ...] = ()


def read_search(cfg: Config, path: str | Path | None = None) -> SearchPlan:
    """Check a search's config and build it, evaluators apart.

    Keys: ``space``; ``task``, a config file or mapping with the dense model (a file's path is
    relative to the search's config); ``input_size``; ``objectives``, ``constraints`` of
    :class:`Problem`; ``costs``, sources of one's own by name; ``latency``, the file of a
    :class:`LatencyTable`, short for ``costs = dict(latency=dict(type='LatencyCost', table=FILE))``;
    ``evaluator`` or ``evaluators``, one or a list; ``algorithm``; ``initial``, architectures to
    begin with: a list, a supernet's checkpoint with memory banks, or the archive of another search;
    ``halving``, ``dict(share=0.25, keep=0.5)``: all candidates of a generation are measured on
    that share of the images first, and only those that are kept on all; ``visualizer``, mmengine's,
    whose backends get how the search stands after each generation; ``seed``; ``time_limit``, the
    seconds that a candidate may take before it counts as hanging and fails (an hour; None: no
    limit), on workers the building of the evaluators included.

    Args:
        path: of the config file.

    Raises:
        UsageError: names the key, the value and what is allowed.
    """
    with building(cfg):
        return _read_search(cfg, path)


def _read_search(cfg: Config, path: str | Path | None) -> SearchPlan:
    _check_keys(cfg)
    searched, idle = _searched(cfg, path)
    problem = Problem(
        searched.space,
        plain_types(cfg.objectives),
        plain_types(cfg.get('constraints', [])),
        searched.task,
        searched.input_size,
        costs=_costs(cfg),
    )
    options = plain_types(cfg.algorithm)
    seed = check_number('seed', cfg.get('seed', 0), low=0, high=LARGEST_SEED, whole=True)
    initial = read_initial(cfg.get('initial'), problem.space, idle)
    algorithm = build_algorithm(options, problem, seed, initial)
    warn_of_initial(len(initial), algorithm)
    evaluators, contents = _evaluators(cfg, problem) if problem.needed_metrics else ((), [])
    _warn_of_another_runtime(problem, evaluators)
    halving = read_rungs(plain_types(cfg.get('halving')), evaluators)
    identity = dict(
        space=problem.space.to_dict(),
        input_size=problem.input_size,
        task=plain_types(problem.task.cfg.model) if problem.task else None,
        objectives=[o._asdict() for o in problem.objectives],
        constraints=[c._asdict() for c in problem.constraints],
        **_evaluator_identity(evaluators, contents),
        # More generations go on where fewer ended.
        algorithm={k: v for k, v in options.items() if k != 'generations'},
        **_cost_identity(problem),
        initial=[arch.to_dict() for arch in initial],
        seed=seed,
        **(dict(halving=[rung._asdict() for rung in halving]) if halving else {}),
    )
    identity = json.loads(json.dumps(identity, default=str))
    for key, value in _numbers_beyond_json(identity):
        raise UsageError(
            f'{key} = {value}, expected a finite number: the archive of a search keeps it as JSON, '
            'which has no other'
        )
    return SearchPlan(problem, algorithm, evaluators, idle, identity, _time_limit(cfg), halving)


def _numbers_beyond_json(node: Any, where: str = '') -> Iterator[tuple[str, float]]:
    """Yield the dotted keys of infinities and of what is no number, and the values."""
    if isinstance(node, float) and not math.isfinite(node):
        yield where.removeprefix('.'), node
    elif isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _numbers_beyond_json(value, f'{where}.{key}')


def _time_limit(cfg: Config) -> float | None:
    given = cfg.get('time_limit', TIME_LIMIT)
    return None if given is None else check_number('time_limit', given, above=0, high=LONGEST)


def read_task(cfg: Config, path: str | Path | None = None) -> tuple[SearchedModel, Size | None]:
    """Return task and input size of a search's config, or of a dense model's: with a supernet's
    space, of one architecture with the whole space that it is of.

    Raises:
        UsageError: no task in it, or a model without a backbone of this project.
    """
    if cfg.get('space') is not None:
        task = _task_config(cfg.get('task'), path)
        if task is None:
            raise UsageError('the search config has no task')
        return SearchedModel(task, _space(cfg.space)), read_size(plain_types(cfg.get('input_size')))
    return searched_model(cfg), None


def _check_keys(cfg: Config) -> None:
    if 'model' in cfg and not {'space', 'objectives'} & set(cfg):
        raise UsageError(
            f'{config_name(cfg)} is the config of a model, which nasvit-mm train takes; expected '
            "a search's, as in configs/search/"
        )
    unknown = sorted(set(cfg.keys()) - KEYS - OTHERS)
    inner = [key for key in unknown if key in RUNNER_KEYS]
    if inner:
        raise UsageError(
            f'{inner[0]} is no key of a search; in the config that the evaluator reads it is '
            f'changed by evaluator.cfg_options.{inner[0]}, in the task by task = dict(...) or a '
            'config of its own'
        )
    if unknown:
        raise UsageError(
            f'unknown key {", ".join(unknown)} in the search config'
            f'{closest(unknown[0], KEYS)}; there are {", ".join(sorted(KEYS))}'
        )
    for key in ('space', 'objectives', 'algorithm'):
        if cfg.get(key) is None:
            raise UsageError(f'the search config has no {key}')


# ---------------------------------------------------------------------- what is searched
def _searched(cfg: Config, path: str | Path | None) -> tuple[Searched, frozenset[str]]:
    """Return space, task and input size, and the labels of genes that the task does not have: these
    are fixed, unless costs of a classifier are asked for.
    """
    space, size = _space(cfg.space), read_size(plain_types(cfg.get('input_size')))
    task_cfg = _task_config(cfg.get('task'), path)
    if task_cfg is None and space.task:
        raise UsageError(
            f'space.task: {", ".join(field.name for field in space.task)} are genes of a dense '
            'model, and the search has none: give task, a config with a model'
        )
    if task_cfg is None:
        return Searched(space, None, size), frozenset()
    task = SearchedModel(task_cfg, space)
    if size is None:  # an error to come
        return Searched(space, task), frozenset()
    try:
        idle = task.idle(size)
    except (ValueError, RuntimeError) as error:
        raise UsageError(f'input_size = {size}: {error}') from error
    if any(name.startswith('classifier.') for name in _named_metrics(cfg)):
        return Searched(space, task, size), idle
    fewer = without_idle(space, idle)
    return Searched(fewer, task if fewer is space else SearchedModel(task_cfg, fewer), size), idle


def _named_metrics(cfg: Config) -> list[str]:
    """Return the names among objectives and constraints, which are not checked yet."""
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
        return given if given is None else _checked_task(Config(plain_types(given)))
    if not isinstance(given, str):
        raise UsageError(f'task = {given!r}, expected a config file or a mapping')
    return _checked_task(read_file(task_file(given, path)))


def task_file(given: str, path: str | Path | None) -> Path:
    """Return the file of a ``task``, which is beside the search's config or where it says.

    Args:
        path: of the search's config; None: it is of no file.

    Raises:
        UsageError: there is no such file.
    """
    beside = [Path(path).parent / given] if path else []
    for found in (*beside, find_config(given)):
        if found.is_file():
            return found
    raise UsageError(f'task: the config {given} does not exist')


def _checked_task(task: Config) -> Config:
    check_has_model(task)
    model = inner_model(task) if isinstance(task.model, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(model.get('backbone', {}), Mapping):
        raise UsageError(
            'task: expected a config with model = dict(type=..., backbone=dict(type=...), ...)'
        )
    return task


# ---------------------------------------------------------------------- costs
def _costs(cfg: Config) -> dict[str, Any]:
    """Return the sources of ``costs`` and ``latency`` by name, not built yet."""
    given, table = plain_types(cfg.get('costs')) or {}, cfg.get('latency')
    if not isinstance(given, Mapping):
        raise UsageError(f'costs = {given!r}, expected dict(name=dict(type=...), ...)')
    if table is None:
        return dict(given)
    if not isinstance(table, str):
        raise UsageError(f'latency = {table!r}, expected the file of a latency table')
    if 'latency' in given:
        raise UsageError('latency is given twice: as latency = FILE, and in costs; leave one out')
    return dict(given, latency=dict(type='LatencyCost', table=table))


def _cost_identity(problem: Problem) -> dict[str, Any]:
    """Return what an archive says of the config's own costs.

    Archives have ever had an entry ``latency``, and one of other costs only where there are any.
    """
    own = dict(problem.own_costs)
    latency = own.pop('latency', None)
    others = {
        name: dict(type=type(source).__name__, unit=source.unit, **source.identity())
        for name, source in own.items()
    }
    return dict(latency=latency and latency.identity(), **({'costs': others} if others else {}))


# ---------------------------------------------------------------------- evaluators
def _evaluators(
    cfg: Config, problem: Problem
) -> tuple[tuple[EvaluatorSpec, ...], list[dict[str, Any]]]:
    """Return the evaluators, and what each says that its metrics depend on."""
    one, several = (plain_types(cfg.get(key)) for key in ('evaluator', 'evaluators'))
    if one is not None and several is not None:
        raise UsageError('the search config has both evaluator and evaluators: leave one out')
    several = ([] if one is None else [one]) if several is None else several
    if not isinstance(several, list):
        raise UsageError(f'evaluators = {several!r}, expected [dict(type=name, ...), ...]')
    imports = custom_imports(cfg)
    contents = [describe_evaluator(each) for each in several]
    for content in contents:
        if problem.task is not None and 'model' in content:
            check_same_model(problem.task, content['model'], content.get('default_scope'))
    return (
        tuple(
            EvaluatorSpec.read(each, problem.space, imports, content)
            for each, content in zip(several, contents)
        ),
        contents,
    )


def _warn_of_another_runtime(problem: Problem, evaluators: Sequence[EvaluatorSpec]) -> None:
    """Warn where metrics are of artefacts, and latencies of another runtime or precision."""
    for name, source in problem.cost_sources.items():
        if not isinstance(source, LatencyCost):
            continue
        about = source.table.about
        timed = about.get('runtime', 'torch'), about.get('precision', 'fp32')
        for spec in evaluators:
            judged = evaluator_type(dict(type=spec.type)).runs_by(**spec.options)
            if judged not in (None, timed):
                print_log(
                    f'{name}: the latency table is of {" in ".join(timed)}, and candidates are '
                    f'judged by {" in ".join(judged)}: their front is of no one artefact, unless '
                    'the table is of another device that runs the same model; build one with '
                    f'--runtime {judged[0]} --precision {judged[1]}',
                    'current',
                    logging.WARNING,
                )


def _evaluator_identity(
    evaluators: Sequence[EvaluatorSpec], contents: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what an archive says of the evaluators: of one its own entries, of several lists."""
    said = [spec.identity() for spec in evaluators]
    content = {CONTENT_KEY: list(contents)} if any(contents) else {}
    if len(said) > 1:
        return dict(evaluator=said, **content)
    return dict(
        evaluator=said[0] if said else None, **{key: alone[0] for key, alone in content.items()}
    )
