"""Whether a checkpoint fits the model of a config, and loading it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseTTAModel
from torch import nn

from nasvit_mm.checkpoints import Checkpoint, read_checkpoint
from nasvit_mm.config import config_parts, parsed_config
from nasvit_mm.errors import UsageError, shown_path
from nasvit_mm.runtime import unwrapped


def check_pretrained(cfg: Config) -> None:
    """Check that the weights that parts of the model begin with are there; URLs pass.

    Raises:
        UsageError: names the key and the file.
    """
    for where, part in config_parts(cfg.get('model'), 'model'):
        init = part.get('init_cfg')
        if not isinstance(init, Mapping) or init.get('type') != 'Pretrained':
            continue
        path = init.get('checkpoint')
        if path and '://' not in path and not Path(path).is_file():
            raise UsageError(
                f'the weights {shown_path(path)} do not exist ({where}.init_cfg.checkpoint): train '
                'them (the docstring of the config says by what), name other ones, or begin at '
                f'random: --cfg-options {where}.init_cfg=None'
            )


def check_checkpoint_fits(
    model: nn.Module, path: str, cfg: Config, prefixes: str = r'module\.'
) -> Checkpoint:
    """Check that a checkpoint holds exactly the model's entries.

    mmengine only warns of a mismatch and goes on with random weights.

    Args:
        prefixes: pattern of what the file's keys may begin with and the model's do not.

    Raises:
        UsageError: says what differs, and which backbone the file was trained with if it tells.
    """
    return _read_fitting(model, path, cfg, prefixes)[0]


def _read_fitting(
    model: nn.Module, path: str, cfg: Config, prefixes: str
) -> tuple[Checkpoint, dict[str, Any]]:
    """Return a checkpoint that fits, and its weights without prefixes."""
    found, state = _read(path, prefixes)
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
    return found, state


def check_backbone_fits(model: nn.Module, path: str, cfg: Config) -> None:
    """Check that a file to begin with, ``load_from``, holds the backbone; heads may differ.

    Raises:
        UsageError: says what differs, and which backbone the file was trained with if it tells.
    """
    found, state = _read(path, r'module\.')
    model = unwrapped(model)
    # What no classifier has, and a file to begin with may lack.
    fresh = tuple(w for module in model.modules() for w in getattr(module, 'new_weights', ()))
    wanted = {
        key: value
        for key, value in model.state_dict().items()
        if 'backbone' in key.split('.') and not key.split('backbone.')[-1].startswith(fresh)
    }
    missing, shapes = _differences(wanted, state)
    if missing or shapes:
        raise UsageError(
            f'load_from = {path} does not fit the backbone of the config, of {len(wanted)} '
            f'entries: {_problems(missing, shapes)}. The config expects '
            f'{_describe(_backbone(cfg))}{_trained_with(found)}. Give weights of this '
            'architecture, with keys as the model has them, or load_from=None'
        )


def _read(path: str, prefixes: str) -> tuple[Checkpoint, dict[str, Any]]:
    """Return a checkpoint, and its weights without prefixes."""
    found = read_checkpoint(path)
    return found, {re.sub(f'^{prefixes}', '', key): v for key, v in found.state.items()}


def _differences(wanted: Mapping, state: Mapping) -> tuple[list[str], list[str]]:
    """Return the keys that the file lacks, and what is said of those of another shape."""
    missing = [k for k in wanted if k not in state and not k.endswith('num_batches_tracked')]
    shapes = [
        f'{k} is {_shape(state[k])} in the file, {_shape(v)} in the model'
        for k, v in wanted.items()
        if k in state and state[k].shape != v.shape
    ]
    return missing, shapes


def _problems(missing: list[str], shapes: list[str], extra: Sequence[str] = ()) -> str:
    return '; '.join(
        f'{len(found)} {what}, the first: {"; ".join(found[:2])}'
        for found, what in (
            (shapes, 'entries have another shape'),
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
    found, state = _read_fitting(model, path, cfg, prefixes)
    unwrapped(model).load_state_dict(state, strict=False)  # counters of batches may be absent
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


def _shape(value: Any) -> str:
    return 'x'.join(map(str, value.shape)) or 'a number'
