"""The keys of a config: which are read by what, and what stands under them."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from nasvit_mm.config import custom_imports
from nasvit_mm.errors import SURE, UsageError, closest

# What mmengine's runner reads besides its arguments, and what this project's commands read.
ALSO_READ = {
    'runner_type',
    'custom_imports',
    'activation_checkpointing',
    'efficient_conv_bn_eval',
    'compile',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
    'held_out_dataloader',
    'held_out_evaluator',
    'steps_per_epoch',
    'teacher',
}
RUNNER_KEYS = {*inspect.signature(Runner.__init__).parameters, *ALSO_READ} - {'self', 'cfg'}
MAPPINGS = (
    'model',
    'train_cfg',
    'val_cfg',
    'test_cfg',
    'optim_wrapper',
    'auto_scale_lr',
    'model_wrapper_cfg',
    'tta_model',
)
NEVER_NONE = ('model', 'env_cfg', 'randomness')
TRIOS = tuple(
    tuple(f'{split}_{part}' for part in ('dataloader', 'cfg', 'evaluator'))
    for split in ('val', 'test')
)
TRAINING = ('train_dataloader', 'train_cfg', 'optim_wrapper')
LEVELS = ('CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG')


def is_search(cfg: Config) -> bool:
    """Return whether a config is a search's."""
    return 'objectives' in cfg or ('space' in cfg and 'model' not in cfg)


def check_has_model(cfg: Config) -> None:
    """Check that a config has a model.

    Raises:
        UsageError: it is a search's, or says nothing of a model.
    """
    name = cfg.filename or 'the config'
    if is_search(cfg):
        task = cfg.get('task')
        named = f'; its task is {task}' if isinstance(task, str) else ''
        raise UsageError(
            f'{name} is the config of a search, which nasvit-mm search and export take; expected '
            f'one with a model{named}'
        )
    if cfg.get('model') is None:
        raise UsageError(f'{name} has no model: expected model = dict(type=NAME, ...)')


def check_parts(cfg: Config) -> None:
    """Check that a config has the right kind of value under the keys that a runner reads.

    Raises:
        UsageError: names the key, the value and what is expected.
    """
    loaders = [key for key in cfg if key.endswith('_dataloader')]
    for key in {*MAPPINGS, *NEVER_NONE, 'default_hooks', *loaders}:
        value = cfg.get(key)
        if key not in cfg or isinstance(value, Mapping):
            continue
        if value is not None or key in NEVER_NONE:
            raise UsageError(f'{key} = {value!r}, expected dict(...)')
    for key in loaders:
        dataset = (cfg[key] or {}).get('dataset', {})
        if not isinstance(dataset, Mapping) and (
            dataset is None or isinstance(dataset, (int, str))
        ):
            raise UsageError(f'{key}.dataset = {dataset!r}, expected dict(type=NAME, ...)')
    for key, kinds, expected in (
        ('param_scheduler', (list, tuple, Mapping), 'a list of dict(type=NAME, ...)'),
        ('custom_hooks', (list, tuple), 'a list of dict(type=NAME, ...)'),
        ('load_from', (str,), 'a file or URL'),
    ):
        value = cfg.get(key)
        if value is not None and not isinstance(value, kinds):
            raise UsageError(f'{key} = {value!r}, expected {expected}, or None')
    if cfg.get('log_level', 'INFO') not in LEVELS:
        raise UsageError(f'log_level = {cfg.log_level!r}, allowed: {", ".join(LEVELS)}')
    for trio in TRIOS:
        lacking = [key for key in trio if cfg.get(key) is None]
        if lacking and len(lacking) < len(trio):
            there = [key for key in trio if key not in lacking]
            raise UsageError(
                f'the config has {" and ".join(there)} but no {" and ".join(lacking)}: give all '
                f'three, or None for all: {", ".join(f"{key}=None" for key in there)}'
            )


def check_trains(cfg: Config) -> None:
    """Check that a config says how to train.

    Raises:
        UsageError: names the keys that it lacks.
    """
    lacking = [key for key in TRAINING if cfg.get(key) is None]
    if lacking:
        raise UsageError(
            f'{cfg.filename or "the config"} has no {" and no ".join(lacking)}: training needs '
            f'{", ".join(TRAINING)}'
        )


# ---------------------------------------------------------------------- keys that nothing reads
def check_overrides(cfg: Config, options: Mapping[str, Any], name: str = '--cfg-options') -> None:
    """Check that something reads the keys of overrides; ``cfg`` is still without them.

    Args:
        name: what gives them.

    Raises:
        UsageError: a key that nothing reads; names the nearest ones, or where its value went.
    """
    if is_search(cfg):
        return  # the search knows its own keys
    for key in options:
        first = str(key).partition('.')[0]
        if first in RUNNER_KEYS:
            continue
        if first not in cfg:
            raise UsageError(
                f'{name} {key}: nothing reads {first or "an empty key"}'
                f'{closest(first, _names(cfg))}'
            )
        places = list(_places(cfg, cfg[first]))
        if places:
            value = options[key] if key == first else '...'
            shown = ' '.join(f'{place}={value}' for place in places[:4])
            more = f' (and {len(places) - 4} more)' if len(places) > 4 else ''
            raise UsageError(
                f'{name} {key}: {first} is used while the file is read, and by nothing '
                f'afterwards; its value stands in other keys: {name} {shown}{more}'
            )
        if not imports_others(cfg):
            raise UsageError(
                f'{name} {key}: {first} is used while the file is read, and by nothing '
                f'afterwards; change it in {cfg.filename or "the config"}, or give what is '
                'computed from it'
            )


def check_top_level(cfg: Config) -> None:
    """Check that no top-level key of a file is a misspelt one.

    Variables that other keys are computed from pass: theirs are names of their own.

    Raises:
        UsageError: a key that nothing reads, and that is nearly one that is read.
    """
    if cfg.get('model') is None:
        return
    for key in cfg:
        if key in RUNNER_KEYS or key in VARIABLES or list(_places(cfg, cfg[key])):
            continue
        near = closest(key, RUNNER_KEYS, SURE)
        if near and isinstance(cfg[key], (Mapping, list, tuple)) and not imports_others(cfg):
            raise UsageError(f'{cfg.filename or "the config"}: nothing reads {key}{near}')
        if near:
            print_log(f'the key {key} of the config is read by nothing{near}', 'current')


# Names that OpenMMLab's configs give to what they compute other keys from.
VARIABLES = {
    'train_pipeline',
    'val_pipeline',
    'test_pipeline',
    'optimizer',
    'vis_backends',
    'dataset_type',
    'data_root',
    'crop_size',
    'norm_cfg',
    'num_classes',
    'backend_args',
    'max_epochs',
    'max_iters',
    'img_ratios',
    'train_dataset',
    'val_dataset',
    'test_dataset',
}


def imports_others(cfg: Config) -> bool:
    """Return whether modules of the user's are imported: they may read any key."""
    known = ('nasvit_mm', 'mmengine', 'mmcv', 'mmseg', 'mmdet')
    return any(name.partition('.')[0] not in known for name in custom_imports(cfg))


def _names(cfg: Config) -> Collection[str]:
    return sorted({*RUNNER_KEYS, *cfg})


def _places(cfg: Config, value: Any) -> Iterator[str]:
    """Yield the dotted keys, of those that are read, under which an equal value stands."""
    if value is None or isinstance(value, (bool, int, float)) or value in ('', [], {}, ()):
        return
    for key in cfg:
        if key in RUNNER_KEYS:
            yield from _inside(cfg[key], value, key)


def _inside(node: Any, value: Any, where: str) -> Iterator[str]:
    if _same(node, value):
        yield where
    elif isinstance(node, Mapping):
        for key, child in node.items():
            yield from _inside(child, value, f'{where}.{key}')
    elif isinstance(node, (list, tuple)):
        for i, child in enumerate(node):
            yield from _inside(child, value, f'{where}.{i}')


def _same(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except (ValueError, RuntimeError):  # arrays have no truth value
        return False
