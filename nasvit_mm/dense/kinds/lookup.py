"""Which kind a model, or a config, is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseModel
from torch import nn

from nasvit_mm.backbones import ElasticBackbone
from nasvit_mm.dense.kinds.base import ModelKind
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import KINDS
from nasvit_mm.runtime import unwrapped

OWN = 'nasvit_mm.'


class LossesOnly(ModelKind):
    """The kind of any mmengine model that no other one fits: labels only."""

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        return isinstance(model, BaseModel)


def kinds() -> list[type[ModelKind]]:
    """Return all kinds in the order in which they are asked: a user's before this project's, the
    last registered before the first, the fallback at the end.
    """
    KINDS.import_from_location()
    found = list(KINDS.module_dict.values())[::-1]
    return [*sorted(found, key=lambda kind: kind.__module__.startswith(OWN)), LossesOnly]


def kind_of(model: nn.Module) -> ModelKind:
    """Return the kind of a model.

    Raises:
        UsageError: it is no model of mmengine.
    """
    for kind in kinds():
        if kind.fits(model):
            return kind()
    raise UsageError(
        f'{type(model).__name__} is no model of mmengine (a BaseModel), and none of the kinds '
        f'{", ".join(kind.__name__ for kind in kinds())} fits it'
    )


def kind_of_config(model: Mapping[str, Any]) -> type[ModelKind]:
    """Return the kind of a model by its config, also of one in a supernet or a wrapper.

    It knows parts and checks of the config; whether a model can be distilled only `kind_of` says.
    """
    while True:
        for kind in kinds():
            if kind.fits_config(model):
                return kind
        inner = model.get('model', model.get('module'))
        if not isinstance(inner, Mapping):
            return LossesOnly
        model = inner


def bare_model(model: nn.Module) -> nn.Module:
    """Return the model that predicts: out of wrappers for several processes, out of a supernet."""
    model = unwrapped(model)
    return getattr(model, 'model', model)


def head_types(model: Mapping[str, Any]) -> list[str]:
    """Return the types of neck and heads of a model's config, of all that predicts but the
    backbone.
    """
    skipped = {'backbone', 'init_cfg', *kind_of_config(model).trains_only}
    return [
        str(part['type'])
        for key, value in model.items()
        if key not in skipped
        for part in (value if isinstance(value, (list, tuple)) else [value])
        if isinstance(part, Mapping) and 'type' in part
    ]


def write_results(cfg: Config, folder: str) -> None:
    """Set the test metrics of a config to write label maps, or detections, into a folder.

    Raises:
        UsageError: model or metric have nothing to write.
    """
    many = isinstance(cfg.test_evaluator, (list, tuple))
    for evaluator in cfg.test_evaluator if many else [cfg.test_evaluator]:
        kind_of_config(cfg.model).write_results(evaluator, folder)


def elastic_backbone(model: nn.Module) -> ElasticBackbone:
    """Return the elastic backbone in a model.

    Raises:
        UsageError: it has none, or one of a single architecture.
    """
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, ElasticBackbone):
        raise UsageError(
            f'a supernet around {type(model).__name__} needs an elastic backbone, not '
            f'{type(backbone).__name__}'
        )
    if backbone.space.is_single:
        raise UsageError(
            f"the backbone has one architecture ({backbone.arch}); give arch='supernet'"
        )
    return backbone
