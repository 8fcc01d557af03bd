"""nasvit_mm: vision-transformer supernets searched under the cost of the whole dense model.

Importing the package is light (numpy only).  torch and the OpenMMLab packages load when a model is
asked for.
"""
from __future__ import annotations

import importlib
from typing import Any

from nasvit_mm.spaces import Arch, Space, get_space, list_spaces
from nasvit_mm.version import __version__

__all__ = ['Arch', 'Space', 'create_model', 'get_space', 'list_spaces', '__version__']

# Public names and rooms that need torch: loaded at first use, so that spaces and costs stay light.
_LAZY = {'create_model': 'nasvit_mm.backbones'}
_ROOMS = ('backbones', 'checkpoints', 'compat', 'cost', 'datasets', 'nn', 'registry', 'spaces')


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f'{__name__}.{name}')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_ROOMS})
