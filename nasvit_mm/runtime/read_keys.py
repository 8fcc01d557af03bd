"""Keys of a config that OpenMMLab's code looks up, so that it misses a misspelt one in silence."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIMIZERS
from torch import nn

from nasvit_mm.arguments import parameters_of
from nasvit_mm.config import config_parts
from nasvit_mm.errors import SURE, UsageError, closest, shown_value
from nasvit_mm.runtime.keys import imports_others

# mmengine.optim.DefaultOptimWrapperConstructor.add_params
PARAMWISE = (
    'custom_keys',
    'bias_lr_mult',
    'bias_decay_mult',
    'norm_decay_mult',
    'dwconv_decay_mult',
    'flat_decay_mult',
    'bypass_duplicate',
    'dcn_offset_lr_mult',
)
MULTIPLIERS = ('lr_mult', 'decay_mult')
CONSTRUCTOR = DefaultOptimWrapperConstructor.__name__
DEFAULT_CONSTRUCTORS = (
    None,
    CONSTRUCTOR,
    f'mmengine.{CONSTRUCTOR}',
    DefaultOptimWrapperConstructor,
)
SCALING = ('base_batch_size', 'enable')  # mmengine.runner.Runner.scale_lr
# What mmseg's segmentors read, and the heads that these hand it to.
SEGMENTOR = {
    'train_cfg': ('sampler', 'num_points', 'oversample_ratio', 'importance_sample_ratio'),
    'test_cfg': (
        'mode',
        'crop_size',
        'stride',
        'subdivision_steps',
        'subdivision_num_points',
        'scale_factor',
    ),
}
BY_TYPE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    'EncoderDecoder': SEGMENTOR,
    'CascadeEncoderDecoder': SEGMENTOR,
    'SegDataPreProcessor': {'test_cfg': ('size', 'size_divisor')},
}


def check_read_keys(cfg: Config) -> None:
    """Check the names under ``paramwise_cfg``, ``auto_scale_lr``, and a segmentor's ``train_cfg``
    and ``test_cfg``.

    Raises:
        UsageError: a name that nothing reads; names the nearest and all that are.
    """
    _check_names('auto_scale_lr', cfg.get('auto_scale_lr'), SCALING)
    optim = cfg.get('optim_wrapper') or {}
    if _default_constructed(optim):
        _check_paramwise(optim.get('paramwise_cfg'), optim.get('optimizer'))
    if imports_others(cfg):  # heads of the user's may read more
        return
    for where, node in config_parts(cfg.model, 'model'):
        kind = node.get('type')
        for key, names in BY_TYPE.get(str(kind).removeprefix('mmseg.'), {}).items():
            _check_names(f'{where}.{key}', node.get(key), names)


def _default_constructed(optim: Mapping[str, Any]) -> bool:
    constructor = optim.get('constructor')
    return constructor is None or constructor in DEFAULT_CONSTRUCTORS


def _check_paramwise(given: Any, optimizer: Any) -> None:
    where = 'optim_wrapper.paramwise_cfg'
    _check_names(where, given, PARAMWISE)
    custom = given.get('custom_keys') if isinstance(given, Mapping) else None
    for key, options in custom.items() if isinstance(custom, Mapping) else ():
        place = f'{where}.custom_keys.{key}'
        if not isinstance(options, Mapping):
            raise UsageError(f'{place} = {shown_value(options)}, expected dict(lr_mult=...)')
        allowed = (*MULTIPLIERS, *_options_of(optimizer))
        for name in [each for each in options if each not in allowed]:
            near = closest(name, MULTIPLIERS, SURE)
            if near:
                raise UsageError(f'{place} has {name}{near}, which nothing reads')
            print_log(  # an optimizer of another library may read it
                f'{place} has {name}, which mmengine does not read: it reads '
                f'{", ".join(MULTIPLIERS)}',
                'current',
                logging.WARNING,
            )


def _options_of(optimizer: Any) -> list[str]:
    """Return the options that an optimizer has, which a group of parameters may have as well."""
    name = optimizer.get('type') if isinstance(optimizer, Mapping) else None
    kind = OPTIMIZERS.get(name) if isinstance(name, str) else name
    return list(parameters_of(kind)) if callable(kind) else []


def _check_names(where: str, given: Any, allowed: Iterable[str]) -> None:
    for name in given if isinstance(given, Mapping) else ():
        if name not in allowed:
            raise UsageError(
                f'{where} has {name}{closest(name, allowed)}, which nothing reads, allowed: '
                f'{", ".join(allowed)}'
            )


def warn_of_unmatched(cfg: Config, model: nn.Module) -> None:
    """Say which of the optimizer's ``custom_keys`` are in the name of no parameter of the model."""
    optim = cfg.get('optim_wrapper') or {}
    custom = (optim.get('paramwise_cfg') or {}).get('custom_keys') or {}
    if not custom or not _default_constructed(optim):
        return
    names = [name if '.' in name else f'.{name}' for name, _ in model.named_parameters()]
    parts = {part for name in names for part in name.split('.')}
    for key in custom:
        if not any(key in name for name in names):
            print_log(
                f'optim_wrapper.paramwise_cfg.custom_keys has {key}, which is in the name of no '
                f'parameter of the model{closest(key, parts)}',
                'current',
                logging.WARNING,
            )
