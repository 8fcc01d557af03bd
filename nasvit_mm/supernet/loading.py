"""A trained supernet out of its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from nasvit_mm.backbones import create_model
from nasvit_mm.building import building, read_file
from nasvit_mm.checkpoints import check_checkpoint_exists, read_checkpoint
from nasvit_mm.config import find_config, parsed_config
from nasvit_mm.dense import build_network, elastic_backbone, inner_model, load_weights
from nasvit_mm.errors import UsageError
from nasvit_mm.spaces import Space, get_space


def read_supernet_config(checkpoint: str, config: str | None = None) -> Config:
    """Return the config that a supernet was trained with.

    Args:
        checkpoint: see :func:`load_supernet`.
        config: file; None: what the checkpoint carries.

    Raises:
        UsageError: a file that is not there, or a checkpoint that carries none.
    """
    if config is None:
        return _carried(checkpoint)
    found = find_config(config)
    if not found.is_file():
        raise UsageError(f"the supernet's config {config} does not exist")
    return read_file(found)


def load_supernet(checkpoint: str, cfg: Config | None = None) -> nn.Module:
    """Return the model that a supernet was trained in, in evaluation mode, with its weights.

    Args:
        checkpoint: of tools/train.py (with averaged weights where the run had them), or what
            tools/convert_checkpoint.py wrote of the authors' file.
        cfg: the config it was trained with; None: the one that the checkpoint carries.  Samplers,
            teachers and the like are not built.

    Raises:
        UsageError: no such file, one of another model, or not of a supernet.
    """
    check_checkpoint_exists(checkpoint)
    cfg = cfg or read_supernet_config(checkpoint)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    cfg = Config(dict(model=inner_model(cfg)))
    with building(cfg):
        model = build_network(cfg.model)
    try:
        elastic_backbone(model)
    except UsageError as error:
        raise UsageError(f'{checkpoint} is not of a supernet: {error}') from error
    load_weights(model, checkpoint, cfg, prefixes=r'((module|_orig_mod)\.)*(model\.)?')
    return model.eval()


def _carried(checkpoint: str) -> Config:
    """Return the config in a checkpoint; of a converted one, the classifier of its space."""
    found = read_checkpoint(checkpoint)
    meta = found.meta
    if isinstance(meta.get('cfg'), str):
        return parsed_config(meta['cfg'])
    if isinstance(meta.get('space'), Mapping) and meta.get('arch') is None:
        heads = [v for k, v in found.state.items() if k.endswith('head.classifier.weight')]
        if not heads:
            raise UsageError(
                f'{checkpoint} holds the backbone of a supernet alone, without a head: give the '
                'config of a model around it, whose backbone begins with it: init_cfg=dict(type='
                "'Pretrained', checkpoint=...)"
            )
        space = get_space(dict(meta['space']))
        images = input_channels(found.state, space)
        model = dict(
            type='nasvit_mm.ImageClassifier',
            space=meta['space'],
            num_classes=len(heads[0]),
            **({} if images == 3 else dict(in_chans=images)),
        )
        return Config(dict(model=model))
    raise UsageError(f'{checkpoint} does not say what supernet it is of: give its config')


def input_channels(state: Mapping[str, torch.Tensor], space: Space) -> int:
    """Return how many channels the images of a network or supernet have, by its weights."""
    with torch.device('meta'):
        layers = create_model(space).backbone.input_layers
    weights = (v for layer in layers for k, v in state.items() if k.endswith(f'{layer}.weight'))
    return next((w.shape[1] for w in weights if w.ndim == 4), 3)
