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

from nasvit_mm.building import building
from nasvit_mm.dense.kinds import kind_of, kind_of_config
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import unwrapped


def bare_model(model: nn.Module) -> nn.Module:
    """Return the model that predicts: out of wrappers for several processes, out of a supernet."""
    model = unwrapped(model)
    return getattr(model, 'model', model)


def build_model(cfg: Config) -> nn.Module:
    """Return the config's model for one process, in evaluation mode, with fresh weights.

    Raises:
        UsageError: it cannot be built, or neck and head do not take what the backbone gives.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    if 'pretrained' in cfg.model:
        cfg.model.pretrained = None  # mmseg's configs would download weights here
    # OneDL's mmseg prints what it did not find.
    with building(cfg), contextlib.redirect_stdout(sys.stderr):
        model = revert_sync_batchnorm(MMENGINE_MODELS.build(cfg.model)).eval()
    check_channels(model)
    return model


def fit_channels(cfg: Config, widths: Sequence[int]) -> None:
    """Set what neck, or heads, take to the widths that the backbone gives, in the config.

    Args:
        widths: channels of the backbone's outputs, in order.
    """
    model, widths = cfg.model, [int(w) for w in widths]
    for taker in kind_of_config(model).config_takers(model):
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
    inner = bare_model(model)
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
    found = None if given is None else kind_of(model).taker(model)
    if found is None:
        return
    taker, module = found
    taken = getattr(module, 'in_channels', None)
    if taken is None:
        return
    try:
        whole = -1 if isinstance(taken, int) else range(len(given))  # as `fit_channels` sets them
        index = getattr(module, 'in_index', whole)
        expected = given[index] if isinstance(index, int) else [given[i] for i in index]
    except IndexError:
        expected = f'{len(given)} outputs of {list(given)} channels'
    if taken != expected and list(np.atleast_1d(taken)) != expected:
        raise UsageError(
            f'{where}.{taker}.in_channels = {taken}, but the backbone gives {expected}{which}; '
            f'set it accordingly (it follows {where}.backbone.arch), or give the backbone '
            'out_width'
        )
