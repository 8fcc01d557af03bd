"""Checkpoints of training: the newest, and whether one fits a model."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseTTAModel
from mmengine.runner import CheckpointLoader, find_latest_checkpoint, load_checkpoint
from torch import nn

from nasvit_mm.engine.errors import UsageError, shown_path
from nasvit_mm.engine.models import config_parts, unwrapped

# Training checkpoints hold numpy numbers in their log history.  Naming these types lets torch load
# such a file in its safe mode, where mmengine would warn at length and fall back to the unsafe one.
torch.serialization.add_safe_globals(
    [np.dtypes.Float32DType, np.dtypes.Float64DType, np.dtypes.Int64DType]
)


def latest_checkpoint(work_dir: str) -> str | None:
    """The newest checkpoint of a work dir, None where there is none.

    mmengine's own pointer is lost where the process was killed while it was written, and a
    checkpoint is cut where it was killed while that was.
    """
    pointed = find_latest_checkpoint(work_dir)
    if pointed and Path(pointed).is_file():
        return pointed
    found = [
        path
        for path in Path(work_dir).glob('*.pth')
        if re.fullmatch(r'(iter|epoch)_\d+', path.stem) and zipfile.is_zipfile(path)
    ]
    return str(max(found, key=lambda path: int(path.stem.split('_')[1]))) if found else None


def check_checkpoint_exists(path: str) -> None:
    """Check a local path; URLs and mmengine's schemes pass."""
    if '://' not in path and not Path(path).is_file():
        folder = Path(path).parent
        there = sorted(p.name for p in folder.glob('*.pth')) if folder.is_dir() else []
        raise UsageError(
            f'checkpoint {shown_path(path)} does not exist; '
            + (
                f'there are: {", ".join(there)}'
                if there
                else f'{folder} holds no *.pth; tools/train.py writes them to its work dir'
            )
        )


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
) -> None:
    """Check that a checkpoint holds exactly the model's entries.

    mmengine only warns of a mismatch and goes on with random weights.

    Args:
        prefixes: pattern of what the file's keys may begin with and the model's do not.

    Raises:
        UsageError: says what differs, and which backbone the file was trained with if it tells.
    """
    content, state = _read(path, prefixes)
    wanted = unwrapped(model, BaseTTAModel).state_dict()
    missing, shapes = _differences(wanted, state)
    extra = [k for k in state if k not in wanted and not k.endswith('num_batches_tracked')]
    if missing or extra or shapes:
        raise UsageError(
            f'checkpoint {path} does not fit the model of the config, of {len(wanted)} entries: '
            f'{_problems(missing, shapes, extra)}. The config expects {_describe(_backbone(cfg))}'
            f'{_trained_with(content)}. Give the config it was trained with (the copy beside the '
            'checkpoint), or another checkpoint'
        )


def check_backbone_fits(model: nn.Module, path: str, cfg: Config) -> None:
    """Check that a file to begin with, ``load_from``, holds the backbone; heads may differ.

    Raises:
        UsageError: says what differs, and which backbone the file was trained with if it tells.
    """
    content, state = _read(path, r'module\.')
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
            f'{_describe(_backbone(cfg))}{_trained_with(content)}. Give weights of this '
            'architecture, with keys as the model has them, or load_from=None'
        )


def _read(path: str, prefixes: str) -> tuple[Mapping, dict[str, Any]]:
    """Content of a checkpoint, and its weights without prefixes."""
    try:
        content = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    except Exception as error:  # whatever the unpickler meets in a file that is something else
        raise UsageError(
            f'{path} cannot be read as a checkpoint ({type(error).__name__}: {_first_line(error)})'
        ) from error
    state = content.get('state_dict', content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not any(torch.is_tensor(v) for v in state.values()):
        raise UsageError(f'{path} holds no weights; expected a checkpoint of tools/train.py')
    return content, {re.sub(f'^{prefixes}', '', key): value for key, value in state.items()}


def _differences(wanted: Mapping, state: Mapping) -> tuple[list[str], list[str]]:
    """Keys that the file lacks, and what is said of those of another shape."""
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
    """Config of the backbone, of a model or of one inside another; of a classifier all of it."""
    model = cfg.model
    while not model.get('backbone') and isinstance(
        model.get('model', model.get('module')), Mapping
    ):
        model = model.get('model', model.get('module'))
    return model.get('backbone') or model


def load_weights(model: nn.Module, path: str, cfg: Config, prefixes: str = r'module\.') -> None:
    """Load a checkpoint that must fit; arguments of :func:`check_checkpoint_fits`."""
    check_checkpoint_fits(model, path, cfg, prefixes)
    load_checkpoint(
        model,
        path,
        map_location='cpu',
        strict=False,
        logger='silent',
        revise_keys=[(f'^{prefixes}', '')],
    )


def _trained_with(content: Mapping) -> str:
    text = (content.get('meta') or {}).get('cfg')
    try:
        model = Config.fromstring(text, '.py').model
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


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), '')[:120]
