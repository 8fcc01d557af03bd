"""Whether a checkpoint fits the model of a config, and loading it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel
from torch import nn

from nasvit_mm.backbones import ElasticBackbone
from nasvit_mm.checkpoints import (
    Checkpoint,
    check_available,
    describe,
    left_over,
    read_checkpoint,
    unlike,
)
from nasvit_mm.config import config_parts, own_kind, parsed_config
from nasvit_mm.dense.kinds import bare_model
from nasvit_mm.dense.sight import sees_otherwise, told_config
from nasvit_mm.errors import SURE, UsageError, closest, shown_path
from nasvit_mm.runtime import unwrapped
from nasvit_mm.spaces import list_models

LARGE = 2000  # training images: of the sets here Cityscapes has 2,975, CamVid 367


def use_pretrained(cfg: Config, source: str) -> None:
    """Let the model's own backbones begin with weights, whatever the config says.

    Args:
        source: what ``init_cfg=dict(type='Pretrained', checkpoint=...)`` takes.

    Raises:
        UsageError: the model has no backbone of this project.
    """
    parts = [part for _, part in _backbones(cfg)]
    if not parts:
        raise UsageError(
            f'--pretrained {source}: the model has no backbone of nasvit_mm; give weights as its '
            'own does, by --cfg-options model.backbone.init_cfg or load_from'
        )
    for part in parts:
        part.init_cfg = dict(type='Pretrained', checkpoint=source)
    if cfg.model.get('init') is not None:  # a supernet's, which would be laid over them
        print_log(f'--pretrained {source} takes the place of model.init of the config', 'current')
        cfg.model.init = None


def _backbones(cfg: Config) -> list[tuple[str, Any]]:
    """Return the parts of the model that have an architecture of this project, with their keys."""
    return [
        (where, part)
        for where, part in config_parts(cfg.get('model'), 'model')
        if hasattr(own_kind(part), 'read_space')
    ]


def warn_of_nothing(cfg: Config, number: Callable[[], int]) -> None:
    """Say so where a dense model is to learn a large set from random weights.

    Args:
        number: returns the number of training images.
    """
    if cfg.get('load_from') or cfg.model.get('init'):
        return
    for where, part in _backbones(cfg):
        if (
            not _pretrained(part)
            and issubclass(own_kind(part), ElasticBackbone)
            and number() >= LARGE
        ):
            print_log(
                f'{where} begins with random weights, and {number()} training images are a set on '
                'which all published results begin with pretrained ones: give --pretrained '
                'FILE or NAME (docs/weights.md says where weights come from)',
                'current',
                logging.WARNING,
            )


def warn_of_other_input(model: nn.Module, cfg: Config) -> None:
    """Say so where the weights that a backbone begins with are of a network that saw images
    otherwise, as far as their file tells.

    Args:
        model: of the config, also in a supernet.
    """
    model = bare_model(model)
    if not isinstance(getattr(model, 'backbone', None), ElasticBackbone):
        return
    for path in (path for _, part in _backbones(cfg) for path in _pretrained(part)):
        theirs = told_config(path)
        for text in sees_otherwise(model, theirs, with_task=False) if theirs is not None else ():
            print_log(f'{path}, to begin with: {text}', 'current', logging.WARNING)


def _pretrained(part: Mapping[str, Any]) -> list[Any]:
    """Return the checkpoints that a part of a config begins with, which may list several ways."""
    init = part.get('init_cfg')
    listed = init if isinstance(init, (list, tuple)) else [init]
    return [
        each.get('checkpoint')
        for each in listed
        if isinstance(each, Mapping) and each.get('type') == 'Pretrained'
    ]


def check_pretrained(cfg: Config) -> None:
    """Check that the weights that parts of the model begin with are there; URLs pass.

    Raises:
        UsageError: names the key and the file; or, where a model's name stands for weights that
            have to be fetched, says from where.
    """
    found = (
        (w, path) for w, p in config_parts(cfg.get('model'), 'model') for path in _pretrained(p)
    )
    for where, path in found:
        if path and path in list_models() and not Path(path).exists():
            check_available(path)
        elif path and '://' not in path and not Path(path).exists():
            raise UsageError(
                f'the weights {shown_path(path)} do not exist{closest(path, list_models(), SURE)} '
                f'({where}.init_cfg.checkpoint): train them (the docstring of the config says by '
                f'what), name other ones, or begin at random: --cfg-options {where}.init_cfg=None'
            )


def check_checkpoint_fits(
    model: nn.Module,
    path: str,
    cfg: Config,
    prefixes: str = r'module\.',
    checkpoint: Checkpoint | None = None,
) -> Checkpoint:
    """Check that a checkpoint holds exactly the model's entries.

    mmengine only warns of a mismatch and goes on with random weights.

    Args:
        prefixes: pattern of what the file's keys may begin with and the model's do not.
        checkpoint: what the file holds, where it was read before.

    Raises:
        UsageError: says what differs, and which backbone the file was trained with if it tells.
    """
    found = checkpoint or read_checkpoint(path)
    _check_fits(model, path, cfg, found, _plain_state(found, prefixes))
    return found


def _check_fits(
    model: nn.Module, path: str, cfg: Config, found: Checkpoint, state: Mapping[str, Any]
) -> None:
    wanted = unwrapped(model, BaseTTAModel).state_dict()
    missing, shapes = _differences(wanted, state)
    extra = [k for k in state if k not in wanted and not k.endswith('num_batches_tracked')]
    if missing or extra or shapes:
        raise UsageError(
            f'checkpoint {path} does not fit the model of the config, of {len(wanted)} entries: '
            f'{_problems(missing, shapes, extra)}. The config expects {_describe(_backbone(cfg))}'
            f'{_trained_with(found)}. Give the config it was trained with (the copy beside the '
            'checkpoint), or another checkpoint'
        )


def check_backbone_fits(model: nn.Module, path: str, cfg: Config) -> None:
    """Check that a file to begin with, ``load_from``, holds the backbone; heads may differ.

    Raises:
        UsageError: says what differs, and which backbone the file was trained with if it tells.
    """
    found = read_checkpoint(path)
    state = _plain_state(found, r'module\.')
    model = unwrapped(model)
    # What no classifier has, and a file to begin with may lack.
    fresh = tuple(w for module in model.modules() for w in getattr(module, 'new_weights', ()))
    wanted = {
        key: value
        for key, value in model.state_dict().items()
        if 'backbone' in key.split('.') and not key.split('backbone.')[-1].startswith(fresh)
    }
    missing, shapes = _differences(wanted, state)
    more = [] if missing or shapes else _deeper(model, state, found)
    if missing or shapes or more:
        raise UsageError(
            f'load_from = {path} does not fit the backbone of the config, of {len(wanted)} '
            f'entries: {_problems(missing, shapes, more)}. The config expects '
            f'{_describe(_backbone(cfg))}{_trained_with(found)}. Give weights of this '
            'architecture, with keys as the model has them, or load_from=None'
        )
    if not model.state_dict().keys() & state.keys():
        raise UsageError(
            f'load_from = {path}: none of its {len(state)} entries is one of the '
            f'{len(model.state_dict())} of the model; give weights with keys as the model has '
            'them, or load_from=None'
        )


def _deeper(model: nn.Module, state: Mapping[str, Any], found: Checkpoint) -> list[str]:
    """Return the weights of a file to begin with that a deeper network has in its backbone."""
    more = []
    for name, module in model.named_modules():
        if not isinstance(module, ElasticBackbone):
            continue
        before = f'{name}.' if name else ''
        own = {k.removeprefix(before): v for k, v in state.items() if k.startswith(before)}
        if module.space.is_single or describe(found) is None:
            more += [before + key for key in left_over(module, own)]
    return more


def _plain_state(found: Checkpoint, prefixes: str) -> dict[str, Any]:
    """Return a checkpoint's weights without prefixes."""
    return {re.sub(f'^{prefixes}', '', key): value for key, value in found.state.items()}


def _differences(wanted: Mapping, state: Mapping) -> tuple[list[str], list[str]]:
    """Return the keys that the file lacks, and what is said of those of another shape or type."""
    missing = [k for k in wanted if k not in state and not k.endswith('num_batches_tracked')]
    shapes = [
        f'{k} is {_shown(state[k], what)} in the file, {_shown(wanted[k], what)} in the model'
        for k, what in unlike(wanted, state)
    ]
    return missing, shapes


def _problems(missing: list[str], shapes: list[str], extra: Sequence[str] = ()) -> str:
    return '; '.join(
        f'{len(found)} {what}, the first: {"; ".join(found[:2])}'
        for found, what in (
            (shapes, 'entries have another shape or type'),
            (missing, 'of the model are missing in the file'),
            (extra, 'of the file are unknown to the model'),
        )
        if found
    )


def _backbone(cfg: Config) -> Any:
    """Return the config of the backbone, also of a model in another; of a classifier all of it."""
    model = cfg.model
    while not model.get('backbone') and isinstance(
        model.get('model', model.get('module')), Mapping
    ):
        model = model.get('model', model.get('module'))
    return model.get('backbone') or model


def load_weights(
    model: nn.Module, path: str, cfg: Config, prefixes: str = r'module\.'
) -> Checkpoint:
    """Load a checkpoint that must fit; arguments of :func:`check_checkpoint_fits`."""
    found = read_checkpoint(path)
    state = _plain_state(found, prefixes)
    _check_fits(model, path, cfg, found, state)
    # Counters of batches may be absent.
    unwrapped(model, BaseTTAModel).load_state_dict(state, strict=False)
    return found


def _trained_with(found: Checkpoint) -> str:
    text = found.meta.get('cfg')
    try:
        model = parsed_config(text).model
        return f', the file was trained with {_describe(model.backbone)}'
    except Exception:  # an optional hint, out of a file of anybody's
        return ''


def _describe(backbone: Any) -> str:
    if not isinstance(backbone, Mapping):
        return 'another model'
    arch = backbone.get('arch', backbone.get('space', backbone.get('depth', '')))
    return f'{backbone.get("type")} {arch!r}' if arch != '' else str(backbone.get('type'))


def _shown(value: Any, what: str) -> str:
    """Return the shape or the dtype of a tensor."""
    if what == 'dtype':
        return str(value.dtype)
    return 'x'.join(map(str, getattr(value, 'shape', ()))) or 'a number'
