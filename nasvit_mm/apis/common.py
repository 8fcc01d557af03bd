"""What the verbs share: the config of a run, its bounds, and its runner."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from nasvit_mm.config import plain_types
from nasvit_mm.dense import check_channels, check_preprocessor
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import (
    check_folder,
    hide_debug_prints,
    pin_loaders,
    read_config,
    short_console,
)
from nasvit_mm.search import with_bounds

AnyConfig = str | Path | Config | Mapping[str, Any]
_RUNS = itertools.count()  # of this process
hide_debug_prints()


def run_config(
    cfg: AnyConfig,
    options: Mapping[str, Any] | None,
    work_dir: str | Path | None,
    fit: bool = False,
) -> Config:
    """Return the config of a run, with its work dir.

    Raises:
        UsageError: it has none, or nothing can be written there.
    """
    cfg = read_config(cfg, options, work_dir, fit=fit)
    if not cfg.get('work_dir'):
        raise UsageError('the config is of no file and has no work_dir: give work_dir')
    check_folder(cfg.work_dir, 'work dir')
    return cfg


def bounded(
    cfg: Config, low: Mapping[str, float] | None, high: Mapping[str, float] | None
) -> Config:
    """Return a search's config with bounds beside or instead of its own."""
    if low or high:
        given = plain_types(cfg.get('constraints') or [])
        cfg.constraints = with_bounds([given] if isinstance(given, dict) else given, low, high)
    return cfg


def build_runner(cfg: Config) -> Runner:
    """Build mmengine's runner of a config, and check what can only be seen of a built model."""
    pin_loaders(cfg)
    number = next(_RUNS)
    # By an old name, which has the second in it, mmengine would give the last run's again.
    if number:
        name = cfg.get('experiment_name') or Path(cfg.filename or 'run').stem
        cfg.experiment_name = f'{name}_{number}'
        if cfg.get('visualizer'):
            cfg.visualizer.name = f'{cfg.visualizer.get("name", "visualizer")}_{number}'
    check_preprocessor(cfg)
    with short_console():
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    log = Path(runner.log_dir, f'{runner.timestamp}.log')
    runner.logger.info(f'environment, config, hooks and options of parameters: {log}')
    check_channels(runner.model)
    return runner
