"""The config of a run: read, overridden, checked."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from nasvit_mm.config import check_architectures
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime.options import loaders_without_workers
from nasvit_mm.runtime.schedule import set_steps_per_epoch


def read_config(
    cfg: str | Path | Config | Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    work_dir: str | Path | None = None,
    launcher: str | None = None,
) -> Config:
    """Read a config as the commands do; what is given stays as it is.

    Args:
        cfg: a file, or what mmengine made of one, or a mapping.
        options: overrides by dotted key, as of ``--cfg-options``:
            ``{'train_cfg.max_iters': 100}``.
        work_dir: folder of logs and checkpoints; None: the config's own, of a file
            ``work_dirs/<its name>``.
        launcher: what started the processes: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``;
            None: what the config says, else ``'none'``.

    Raises:
        UsageError: no such file (those in ``configs/`` are named), one that is no config, a module
            of its ``custom_imports`` that is not found, an override that does not fit, or a mistake
            in an architecture.
    """
    if isinstance(cfg, (str, Path)):
        if not Path(cfg).is_file():
            raise UsageError(f'config {cfg} does not exist{_nearby_configs()}')
        cfg = _from_file(cfg)
    elif isinstance(cfg, Config):
        cfg = copy.deepcopy(cfg)
    elif isinstance(cfg, Mapping):
        cfg = Config(copy.deepcopy(dict(cfg)))
    else:
        raise UsageError(
            f'config = {cfg!r} ({type(cfg).__name__}), expected a file, a mapping or a Config'
        )
    if options is not None:
        _override(cfg, options)
    loaders_without_workers(cfg)
    check_architectures(cfg)
    cfg.launcher = launcher or cfg.get('launcher') or 'none'
    if work_dir is not None:
        cfg.work_dir = str(work_dir)
    elif cfg.get('work_dir') is None and cfg.filename:
        cfg.work_dir = str(Path('work_dirs', Path(cfg.filename).stem))
    return cfg


def _from_file(path: str | Path) -> Config:
    try:
        return Config.fromfile(path)
    except (OSError, SyntaxError) as error:  # a _base_ that is not there, another kind of file
        raise UsageError(f'config {path} cannot be read: {error}') from error
    except ImportError as error:
        root: BaseException = error
        while root.__context__ is not None:
            root = root.__context__
        # What fails inside a module that was found is its own mistake: the traceback is shown.
        if not isinstance(root, ModuleNotFoundError) or f"'{root.name}" not in str(error):
            raise
        raise UsageError(
            f'custom_imports of config {path}: {root}; start the command in the folder that holds '
            'the module, or name that folder in PYTHONPATH'
        ) from error


def config_name(cfg: Config) -> str:
    """Return the config's file as it was given, for messages."""
    return cfg.filename or 'the config'


def _override(cfg: Config, options: Mapping[str, Any]) -> None:
    steps = cfg.get('steps_per_epoch')
    try:
        cfg.merge_from_dict(dict(options))
    except (KeyError, TypeError) as error:
        raise UsageError(f'--cfg-options does not fit {config_name(cfg)}: {error}') from error
    if steps and 'steps_per_epoch' in options:
        set_steps_per_epoch(cfg, steps, options)


def _nearby_configs() -> str:
    found = sorted(str(path) for path in Path('configs').glob('[a-z]*/*.py'))
    if found:
        return f' (from {Path.cwd()}); there are: {", ".join(found)}'
    return f' (from {Path.cwd()}); start the command in the folder that holds configs/'
