"""nasvit_mm: vision-transformer supernets searched under the cost of the whole dense model.

Importing the package loads nothing: spaces and costs load numpy, and torch and the OpenMMLab
packages come when a model is asked for.  It only prepares for an mmcv without compiled operations,
see ``compat``, and for timm, in whose registry the models are once both are imported.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nasvit_mm.compat import install, when_loaded
from nasvit_mm.version import __version__

if TYPE_CHECKING:
    from nasvit_mm.backbones import create_model
    from nasvit_mm.deploy import Predictor
    from nasvit_mm.spaces import Arch, Space, get_space, list_models, list_spaces

__all__ = [
    'Arch',
    'Predictor',
    'Space',
    '__version__',
    'create_model',
    'get_space',
    'list_models',
    'list_spaces',
]

_HOME = {
    'Arch': 'spaces',
    'Space': 'spaces',
    'get_space': 'spaces',
    'list_models': 'spaces',
    'list_spaces': 'spaces',
    'create_model': 'backbones',
    'Predictor': 'deploy',
}
_ROOMS = (
    'apis',
    'backbones',
    'checkpoints',
    'classification',
    'cli',
    'compat',
    'config',
    'cost',
    'data',
    'demo_data',
    'dense',
    'deploy',
    'errors',
    'families',
    'family',
    'files',
    'nn',
    'registry',
    'runtime',
    'search',
    'spaces',
    'supernet',
)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f'{__name__}.{_HOME[name]}'), name)
    if name in _ROOMS:
        return importlib.import_module(f'{__name__}.{name}')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_ROOMS})


def _enter_into_timm(models: ModuleType) -> None:
    importlib.import_module(f'{__name__}.timm_registry').register(models)


install()
when_loaded('timm.models', _enter_into_timm)
