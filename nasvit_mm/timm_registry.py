"""This project's models in timm's own registry: ``timm.create_model('nasvit_min')``.

``import nasvit_mm`` enters them where timm is loaded, or else when it comes.  Names that timm has
already stay timm's, as ``twins_svt_small``; a dot of ours is an underscore there
(``elastic_L1_5``), where timm would take what follows for the tag of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from types import ModuleType
from typing import Any

from nasvit_mm.errors import UsageError
from nasvit_mm.spaces import EVALUATED, list_models

default_cfgs: dict[str, Any] = {}  # where timm's decorator looks for what it knows of weights


def register(models: ModuleType) -> None:
    """Enter every model of :func:`nasvit_mm.list_models` into timm's registry, once.

    Args:
        models: ``timm.models``.
    """
    for name in list_models():
        known = name.replace('.', '_')
        if not models.is_model(known):
            default_cfgs.update(models.generate_default_cfgs({known: dict(EVALUATED)}))
            models.register_model(_entry(known, name))


def _entry(known: str, name: str) -> Callable[..., Any]:
    """Return the function that timm calls for a model."""

    def create(
        pretrained: bool = False,
        pretrained_cfg: Any = None,
        pretrained_cfg_overlay: Mapping[str, Any] | None = None,
        cache_dir: Any = None,
        **options: Any,
    ) -> Any:
        from nasvit_mm.backbones import create_model  # which loads torch

        source = _weights(known, pretrained_cfg, pretrained_cfg_overlay)
        return create_model(name, pretrained=pretrained and (source or True), **options)

    create.__name__ = create.__qualname__ = known
    return create


def _weights(known: str, cfg: Any, overlay: Mapping[str, Any] | None) -> str | None:
    """Return the file or URL of weights that timm's arguments name.

    Raises:
        UsageError: they name weights by a tag, which ours have not.
    """
    if isinstance(cfg, str):
        raise UsageError(
            f'{known}.{cfg}: there are no weights of that tag; give a file by pretrained=True, '
            "pretrained_cfg_overlay=dict(file='weights.pth')"
        )
    given = {**(asdict(cfg) if is_dataclass(cfg) else cfg or {}), **(overlay or {})}
    return given.get('file') or given.get('url')
