"""A trained supernet out of its checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from torch import nn

from nasvit_mm.engine import UsageError, check_checkpoint_exists, load_weights
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet.tasks import elastic_backbone


def read_supernet_config(checkpoint: str, config: str | None = None) -> Config:
    """The config that a supernet was trained with.

    Args:
        checkpoint: as of :func:`load_supernet`.
        config: file; None: what the checkpoint carries.

    Raises:
        UsageError: a file that is not there, or a checkpoint that carries none.
    """
    if config is None:
        return _carried(checkpoint)
    if not Path(config).is_file():
        raise UsageError(f"the supernet's config {config} does not exist")
    return Config.fromfile(config)


def inner_model(cfg: Config) -> ConfigDict:
    """The config of the model in a supernet's config, with its preprocessor wherever that is given
    (in the model, of the supernet, or beside it); of another config its model.
    """
    model = copy.deepcopy(cfg.model.get('model') or cfg.model)
    for given in (cfg.model.get('data_preprocessor'), cfg.get('data_preprocessor')):
        if given is not None:
            model.setdefault('data_preprocessor', copy.deepcopy(given))
    return model


def load_supernet(checkpoint: str, cfg: Config | None = None) -> nn.Module:
    """The task model that a supernet was trained in, in evaluation mode, with its weights.

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
    model = MODELS.build(cfg.model)
    try:
        elastic_backbone(model)
    except (TypeError, ValueError) as error:
        raise UsageError(f'{checkpoint} is not of a supernet: {error}') from error
    load_weights(model, checkpoint, cfg, prefixes=r'(module\.)?(model\.)?')
    return model.eval()


def read_checkpoint(checkpoint: str) -> Mapping:
    """What a checkpoint holds.

    Raises:
        UsageError: no such file, or one that is no checkpoint.
    """
    check_checkpoint_exists(checkpoint)
    try:
        content = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu', logger='silent')
    except Exception as error:  # whatever the unpickler meets in a file that is something else
        raise UsageError(f'{checkpoint} cannot be read as a checkpoint ({error})') from error
    if not isinstance(content, Mapping):
        raise UsageError(
            f'{checkpoint} cannot be read as a checkpoint (it holds a {type(content).__name__})'
        )
    return content


def _carried(checkpoint: str) -> Config:
    """The config in a checkpoint; of a converted one, the classifier of its space."""
    content = read_checkpoint(checkpoint)
    meta = content.get('meta') or {}
    if isinstance(meta.get('cfg'), str):
        return Config.fromstring(meta['cfg'], '.py')
    if isinstance(meta.get('space'), Mapping) and meta.get('arch') is None:
        classes = [
            v.shape[0]
            for k, v in content['state_dict'].items()
            if k.endswith('head.classifier.weight')
        ]
        return Config(
            dict(
                model=dict(
                    type='nasvit_mm.ImageClassifier', space=meta['space'], num_classes=classes[0]
                )
            )
        )
    raise UsageError(f'{checkpoint} does not say what supernet it is of: give its config')
