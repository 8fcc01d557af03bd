"""The config of a run: read, overridden, checked."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from nasvit_mm.building import import_custom_modules, plain_words, read_file
from nasvit_mm.config import PACKAGED, check_architectures, find_config
from nasvit_mm.errors import UsageError, shown_value
from nasvit_mm.runtime.keys import check_overrides, check_parts, check_top_level, is_search
from nasvit_mm.runtime.options import loaders_without_workers
from nasvit_mm.runtime.schedule import fit_schedule, run_length, set_steps_per_epoch
from nasvit_mm.runtime.values import check_values


def read_config(
    cfg: str | Path | Config | Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    work_dir: str | Path | None = None,
    launcher: str | None = None,
    fit: bool = False,
) -> Config:
    """Read a config as the commands do; what is given stays as it is.

    Args:
        cfg: a file, or the name of one of this project's (see :func:`find_config`); what mmengine
            made of one; or a mapping.
        options: overrides by dotted key, as of ``--cfg-options``:
            ``{'train_cfg.max_iters': 100}``.
        work_dir: folder of logs and checkpoints; None: the config's own, of a file
            ``work_dirs/<its name>``.
        launcher: what started the processes: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``;
            None: what the config says, else ``'none'``.
        fit: scale the schedule to the length of training, see :func:`fit_schedule`.

    Raises:
        UsageError: no such file (the nearest in ``configs/`` are named), an override that does not
            fit, a key that nothing reads, or a mistake in an architecture.
    """
    if isinstance(cfg, (str, Path)):
        cfg = find_config(cfg)
        if Path(cfg).is_dir():
            raise UsageError(f'config {cfg} is a folder, expected a file{_nearby_configs(cfg)}')
        if not Path(cfg).is_file():
            raise UsageError(f'config {cfg} does not exist{_nearby_configs(cfg)}')
        cfg = read_file(cfg)
    elif isinstance(cfg, Config):
        cfg = copy.deepcopy(cfg)
    elif isinstance(cfg, Mapping):
        cfg = Config(copy.deepcopy(dict(cfg)))
    else:
        raise UsageError(
            f'config = {cfg!r} ({type(cfg).__name__}), expected a file, a mapping or a Config'
        )
    before = run_length(cfg) if fit else None
    search = is_search(cfg)  # with a model's keys given it is one still, which says what is meant
    if options:
        check_overrides(cfg, options)
        _override(cfg, options)
    import_custom_modules(cfg)
    cfg.launcher = launcher or cfg.get('launcher') or 'none'
    if not search:
        check_top_level(cfg)
        _check_training(cfg)
        if fit:
            fit_schedule(cfg, before, given=options or ())
        loaders_without_workers(cfg)
        check_architectures(cfg)
    if work_dir is not None:
        cfg.work_dir = str(work_dir)
    elif cfg.get('work_dir') is None and cfg.filename:
        cfg.work_dir = str(Path('work_dirs', Path(cfg.filename).stem))
    return cfg


def _check_training(cfg: Config) -> None:
    try:
        check_parts(cfg)
        check_values(cfg)
    except UsageError as error:
        raise UsageError(f'{config_name(cfg)}: {error}') from error


def config_name(cfg: Config) -> str:
    """Return the config's file as it was given, for messages."""
    return cfg.filename or 'the config'


def _override(cfg: Config, options: Mapping[str, Any]) -> None:
    steps = cfg.get('steps_per_epoch')
    for key in options:
        _check_place(cfg, key, options)
    try:
        cfg.merge_from_dict(dict(options))
    except (LookupError, TypeError, ValueError, AssertionError, AttributeError) as error:
        raise UsageError(
            f'--cfg-options does not fit {config_name(cfg)}: {plain_words(error)}'
        ) from error
    if steps and 'steps_per_epoch' in options:
        set_steps_per_epoch(cfg, steps, options)


def _check_place(cfg: Config, key: str, options: Mapping[str, Any]) -> None:
    """Check that there may be something under a dotted key: what is above it is a dict or a list.

    Raises:
        UsageError: names what is there.
    """
    node, names = cfg, str(key).split('.')
    for i, name in enumerate(names):
        where = '.'.join(names[:i])
        if where in options and not isinstance(options[where], (list, tuple)):
            return  # given as well
        node = options.get(where, node)
        if isinstance(node, (list, tuple)):
            if not name.isdigit() or int(name) >= len(node):
                last = f'0 to {len(node) - 1}' if node else 'none: it is empty'
                raise UsageError(
                    f'--cfg-options {key}: {where} is a list, whose entries are {last}; give one '
                    f"of them, or the whole list, {where}='[...]'"
                )
            node = node[int(name)]
            last = i + 1 == len(names)
            if not isinstance(node, Mapping) or (last and not isinstance(options[key], Mapping)):
                raise UsageError(  # mmengine merges entries of a list as dicts
                    f'--cfg-options {key}: an entry of a list that is no dict cannot be given '
                    f"alone: give the whole list, {where}='[...]'"
                )
        elif isinstance(node, (Mapping, Config)):
            if name not in node:
                return
            node = node[name]
        else:
            raise UsageError(
                f'--cfg-options {key}: {where} = {shown_value(node)}, which has nothing below it; '
                f"give {where}='dict(...)'"
            )


def _nearby_configs(given: str | Path) -> str:
    """Return the three configs below ``configs/`` that a name is nearest to."""
    found = sorted(f'configs/{path.relative_to(PACKAGED)}' for path in PACKAGED.glob('[a-z]*/*.py'))
    by_stem = {Path(path).stem: path for path in found}
    near = difflib.get_close_matches(str(given), found, n=3, cutoff=0.6) or [
        by_stem[stem] for stem in difflib.get_close_matches(Path(given).stem, by_stem, n=3)
    ]
    if near:
        return f' (from {Path.cwd()}); did you mean {", ".join(near)}?'
    return f' (from {Path.cwd()}); docs/zoo.md lists the {len(found)} of configs/'
