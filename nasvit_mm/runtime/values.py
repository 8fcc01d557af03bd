"""Whether the values of a training's config can be meant: their types and their ranges."""

from __future__ import annotations

import fnmatch
import logging
import math
import multiprocessing
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.runner import (
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
    LogProcessor,
    Runner,
    TestLoop,
    ValLoop,
)
from mmengine.utils.dl_utils import set_multi_processing
from torch.distributed import Backend
from torch.utils.data import DataLoader

from nasvit_mm.arguments import PLAIN, check_argument, check_arguments
from nasvit_mm.config import config_parts
from nasvit_mm.errors import UsageError, check_number, shown_value, unknown
from nasvit_mm.runtime.keys import RUNNER_KEYS
from nasvit_mm.runtime.read_keys import check_read_keys

MANY_WORKERS = 64  # processes of a data loader that any machine may have; else 8 a core
BY_MMENGINE = ('dataset', 'sampler', 'batch_sampler', 'num_batch_per_epoch')  # of a data loader
MMENGINES_HOOKS = (  # which None takes out
    'runtime_info',
    'timer',
    'sampler_seed',
    'logger',
    'param_scheduler',
    'checkpoint',
)
CLIPPING = {'norm': torch.nn.utils.clip_grad_norm_, 'value': torch.nn.utils.clip_grad_value_}
RANGES: Mapping[str, Mapping[str, Any]] = {  # arguments of check_number
    'train_cfg.val_interval': dict(low=1, whole=True),
    'train_cfg.val_begin': dict(low=0, whole=True),
    '*_dataloader.num_workers': dict(
        low=0, high=max(MANY_WORKERS, 8 * (os.cpu_count() or 1)), whole=True
    ),
    '*_dataloader.dataset.indices': dict(low=1),
    'optim_wrapper.optimizer.lr': dict(low=0, high=1000),
    'optim_wrapper.accumulative_counts': dict(low=1, whole=True),
    'default_hooks.logger.interval': dict(low=1, whole=True),
    'auto_scale_lr.base_batch_size': dict(low=1, whole=True),
    'randomness.seed': dict(low=0, high=2**32 - 1, whole=True),
    'steps_per_epoch': dict(low=1, whole=True),
}
CHOICES: Mapping[str, Any] = {
    'launcher': ('none', 'pytorch', 'slurm', 'mpi'),
    'sync_bn': ('torch', 'mmcv'),
    'env_cfg.mp_cfg.mp_start_method': multiprocessing.get_all_start_methods(),
    'env_cfg.dist_cfg.backend': sorted({*Backend.backend_list} - {'undefined', 'fake'}),
}
NOT_GIVEN = ('self', 'parameters', 'distributed')  # arguments that no config gives
FLAGS = ('find_unused_parameters',)
NO_VALIDATION = (
    'to train without validation give val_cfg=None val_dataloader=None val_evaluator=None'
)


def check_values(cfg: Config) -> None:
    """Check the values of a config that are known to be wrong without building anything.

    Raises:
        UsageError: names the dotted key, the value and what is allowed.
    """
    if cfg.get('model') is None:
        return
    _check_numbers_are_numbers(cfg)
    for key, value in cfg.items():
        if value is not None:
            check_argument(Runner.__init__, key, value)
    for where, kind, also in _known_parts(cfg):
        check_arguments(kind, _at(cfg, where), where, also, NOT_GIVEN)
    check_read_keys(cfg)
    for where, value in _built(cfg):
        if not isinstance(value, Mapping) and isinstance(value, PLAIN):
            raise UsageError(f'{where} = {shown_value(value)}, expected dict(type=NAME, ...)')
        if isinstance(value, Mapping) and 'type' not in value:
            raise UsageError(f'{where} has no type, expected dict(type=NAME, ...)')
    _check_ranges(cfg)
    for where, allowed in CHOICES.items():
        value = _at(cfg, where)
        if value is not None and value not in allowed:
            raise UsageError(unknown(where, value, allowed))
    for where in FLAGS:
        value = _at(cfg, where)
        if value is not None and not isinstance(value, bool):
            raise UsageError(f'{where} = {shown_value(value)}, expected True or False')
    scope = cfg.get('default_scope')
    if scope is not None and find_spec(scope.partition('.')[0]) is None:
        raise UsageError(
            f'default_scope = {scope!r}: there is no package of that name; install it, or give '
            "one that is there: 'mmseg', 'mmdet' or 'mmengine'"
        )


def _built(cfg: Config) -> Iterator[tuple[str, Any]]:
    """Yield the parts that a registry builds by their type: dotted key and value."""
    yield 'model', cfg.model
    for key, value in cfg.items():
        if not key.endswith('_dataloader') or not value:
            continue
        for part in ('dataset', 'sampler'):
            if value.get(part) is not None:
                yield f'{key}.{part}', value[part]
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer', {})
    if optimizer or not isinstance(optimizer, Mapping):
        yield 'optim_wrapper.optimizer', optimizer
    for name, hook in (cfg.get('default_hooks') or {}).items():
        if hook is not None or name not in MMENGINES_HOOKS:
            yield f'default_hooks.{name}', hook
    for i, hook in enumerate(cfg.get('custom_hooks') or ()):
        yield f'custom_hooks.{i}', hook


def _check_ranges(cfg: Config) -> None:
    for pattern, bounds in RANGES.items():
        for where, value in _matching(cfg, pattern):
            if isinstance(value, (list, tuple)) and pattern.endswith('indices'):
                continue
            if isinstance(value, float) and value.is_integer():  # as mmengine takes it
                value = int(value)
            hint = f'; {NO_VALIDATION}' if pattern.endswith('val_interval') else ''
            try:
                check_number(where, value, **bounds)
            except UsageError as error:
                raise UsageError(f'{error}{hint}') from error
    keep = _at(cfg, 'default_hooks.checkpoint.max_keep_ckpts')
    if isinstance(keep, int) and (keep == 0 or keep < -1):
        raise UsageError(
            f'default_hooks.checkpoint.max_keep_ckpts = {keep}, expected at least 1, or -1 for all'
        )
    for key, value in cfg.items():
        if key.endswith('_dataloader') and value and 'batch_sampler' not in value:
            check_number(f'{key}.batch_size', value.get('batch_size', 1), low=1, whole=True)
        if key.endswith('_evaluator') and value in ([], ()):
            raise UsageError(
                f'{key} = {value!r}, expected dict(type=NAME, ...) of a metric; {NO_VALIDATION}'
            )


def _check_numbers_are_numbers(cfg: Config) -> None:
    for where, node in config_parts({k: v for k, v in cfg.items() if k in RUNNER_KEYS}, ''):
        for key, value in node.items():
            values = value if isinstance(value, (list, tuple)) else (value,)
            if any(isinstance(each, float) and math.isnan(each) for each in values):
                raise UsageError(f'{where}.{key} = {value!r}, expected a number'.lstrip('.'))


def _known_parts(cfg: Config) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Yield parts that need no type: dotted key, what takes them, and what else is taken."""
    for key, value in cfg.items():
        if key.endswith('_dataloader') and value:
            yield key, DataLoader, BY_MMENGINE
    train = cfg.get('train_cfg') or {}
    loops = {
        'train_cfg': EpochBasedTrainLoop if train.get('by_epoch') else IterBasedTrainLoop,
        'val_cfg': ValLoop,
        'test_cfg': TestLoop,
        'log_processor': LogProcessor,
        'optim_wrapper': OptimWrapper,
    }
    for key, kind in loops.items():
        if isinstance(cfg.get(key), Mapping) and 'type' not in cfg[key]:
            own = ('by_epoch',) if key == 'train_cfg' else ()
            own += ('optimizer', 'paramwise_cfg', 'constructor') if key == 'optim_wrapper' else ()
            yield key, kind, own
    if cfg.get('randomness'):
        yield 'randomness', Runner.set_randomness, ()
    clip = (cfg.get('optim_wrapper') or {}).get('clip_grad')
    if isinstance(clip, Mapping) and clip.get('type', 'norm') in CLIPPING:
        yield 'optim_wrapper.clip_grad', CLIPPING[clip.get('type', 'norm')], ('type',)
    if cfg.get('env_cfg'):
        yield 'env_cfg', _environment, ()
    if _at(cfg, 'env_cfg.mp_cfg'):
        yield 'env_cfg.mp_cfg', set_multi_processing, ()


def _environment(
    cudnn_benchmark: bool = False,
    mp_cfg: dict | None = None,
    dist_cfg: dict | None = None,
    resource_limit: int = 4096,
) -> None:
    """Name what mmengine reads of ``env_cfg``."""


def warn_of_values(cfg: Config) -> None:
    """Say what a training does by its values that few mean."""
    saving = (cfg.get('default_hooks') or {}).get('checkpoint', {})
    said = []
    if saving is None:
        said.append('default_hooks.checkpoint = None: no checkpoint is saved at all')
    elif isinstance(saving.get('interval', -1), int) and saving.get('interval', -1) < 1:
        last = 'before the last step' if saving.get('save_last', True) else 'at all'
        said.append(
            f'default_hooks.checkpoint.interval = {saving.get("interval")}: no checkpoint is saved '
            f'{last}, and a run that is killed begins anew'
        )
    if _at(cfg, 'optim_wrapper.optimizer.lr') == 0:
        said.append('optim_wrapper.optimizer.lr = 0: nothing is learned')
    if 'sampler' in cfg.train_dataloader and cfg.train_dataloader.sampler is None:
        said.append('train_dataloader.sampler = None: the images come in the same order every time')
    for line in said:
        print_log(line, 'current', logging.WARNING)


def _at(cfg: Any, where: str) -> Any:
    """Return the value under a dotted key; None if there is none."""
    for key in where.split('.'):
        cfg = cfg.get(key) if isinstance(cfg, (Config, Mapping)) else None
    return cfg


def _matching(cfg: Config, pattern: str) -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys that a pattern matches, and their values where they are given."""
    first, _, rest = pattern.partition('.')
    for key in cfg:
        if fnmatch.fnmatchcase(key, first):
            where = f'{key}.{rest}' if rest else key
            value = _at(cfg, where)
            if value is not None:
                yield where, value
