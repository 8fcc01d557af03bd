"""The model of a config: whether it can be built, and building it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

import numpy as np
from mmengine.config import Config
from mmengine.model import BaseTTAModel, revert_sync_batchnorm
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import init_default_scope
from torch import nn

from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import unwrapped


def task_model(model: nn.Module) -> nn.Module:
    """The model that predicts: inside wrappers for several processes, and inside a supernet."""
    model = unwrapped(model)
    return getattr(model, 'model', model)


def build_model(cfg: Config) -> nn.Module:
    """The config's model for one process, in evaluation mode; weights as it is initialised."""
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    if 'pretrained' in cfg.model:
        cfg.model.pretrained = None  # mmseg's configs would download weights here
    try:
        with contextlib.redirect_stdout(sys.stderr):  # OneDL's mmseg prints what it did not find
            model = revert_sync_batchnorm(MMENGINE_MODELS.build(cfg.model)).eval()
    except (KeyError, ImportError) as error:
        raise UsageError(f'the model cannot be built: {str(error).splitlines()[0]}') from error
    check_channels(model)
    return model


def fit_channels(cfg: Config, widths: Sequence[int]) -> None:
    """Set what neck, or heads, take to the widths that the backbone gives, in the config.

    Args:
        widths: channels of the backbone's outputs, in order.
    """
    model, widths = cfg.model, [int(w) for w in widths]
    if model.get('neck'):
        # Of several in a row the first.
        takers = model.neck[:1] if isinstance(model.neck, list) else [model.neck]
    else:
        heads = [model.get(name) for name in ('decode_head', 'auxiliary_head')]
        takers = [h for head in heads if head for h in (head if isinstance(head, list) else [head])]
    for taker in takers:
        index = taker.get(
            'in_index',
            None if isinstance(taker.get('in_channels'), int) else list(range(len(widths))),
        )
        index = -1 if index is None else index
        taker.in_channels = widths[index] if isinstance(index, int) else [widths[i] for i in index]


def check_channels(model: nn.Module) -> None:
    """Check that neck, or head, takes the widths that the backbone gives.

    In OpenMMLab the config says both; a mistake would show as a shape error inside a convolution.
    Inside a supernet it must take those of all subnets.

    Raises:
        UsageError: names what is taken and what is given.
    """
    model = unwrapped(model, BaseTTAModel)
    inner = task_model(model)
    backbone = getattr(inner, 'backbone', None)
    given = {'': getattr(backbone, 'out_channels', None)}
    where = 'model'
    if inner is not model and hasattr(backbone, 'channels_of'):
        where = 'model.model'
        given = {
            f' ({name} subnet)': list(backbone.channels_of(getattr(backbone.space, name)))
            for name in ('smallest', 'largest')
        }
    for which, channels in given.items():
        _check_taker(inner, channels, where, which)


def _check_taker(model: nn.Module, given: Sequence[int] | None, where: str, which: str) -> None:
    taker = 'neck' if getattr(model, 'neck', None) is not None else 'decode_head'
    module = getattr(model, taker, None)
    taken = getattr(module, 'in_channels', None)
    if given is None or taken is None:
        return
    try:
        index = getattr(module, 'in_index', range(len(given)))
        expected = given[index] if isinstance(index, int) else [given[i] for i in index]
    except IndexError:
        expected = f'{len(given)} outputs of {list(given)} channels'
    if taken != expected and list(np.atleast_1d(taken)) != expected:
        raise UsageError(
            f'{where}.{taker}.in_channels = {taken}, but the backbone gives {expected}{which}; '
            f'set it accordingly (it follows {where}.backbone.arch), or give the backbone '
            'out_width'
        )
