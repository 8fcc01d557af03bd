"""Imports that mmseg and mmdet guard, tried again once ``mmcv._ext`` can be served.

    try:
        from mmcv.ops import point_sample
    except ModuleNotFoundError:
        point_sample = None

A module that was imported before ``import nasvit_mm`` remembers the failure, and its head then asks
the user to install mmcv, which is installed.  mmseg's own ``train.py`` imports mmseg's heads before
it builds the backbone, whose ``type='nasvit_mm....'`` is the first that leads here.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

PACKAGES = ('mmseg', 'mmdet')
OPERATIONS = 'mmcv.ops'


def mend_guards() -> None:
    """Give modules of mmseg and mmdet the names that their guarded imports could not find.

    It does nothing where mmcv's operations were there before, or where neither package is loaded.
    """
    if OPERATIONS in sys.modules:
        return
    for name, module in list(sys.modules.items()):
        if name.partition('.')[0] in PACKAGES and name.count('.'):
            for source, imported, local in _guarded(module):
                with contextlib.suppress(ImportError):  # mmdet is not installed
                    _mend(module, local, getattr(_loaded(source), imported))


def _loaded(name: str) -> ModuleType:
    """Import a module and the packages around it, which may have failed although it had not."""
    parts = name.split('.')
    for i in range(1, len(parts)):
        import_module('.'.join(parts[:i]))
    return import_module(name)


def _guarded(module: ModuleType) -> Iterator[tuple[str, str, str]]:
    """Yield module, name and local name of every import that an ``except ImportError`` guards."""
    try:
        text = inspect.getsource(module)
    except (OSError, TypeError):  # a built one, or without a file
        return
    if f'from {OPERATIONS}' not in text and 'from mmdet' not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Try) or not any(map(_of_imports, node.handlers)):
            continue
        for line in node.body:
            source = (
                line.module or '' if isinstance(line, ast.ImportFrom) and not line.level else ''
            )
            if source.startswith(OPERATIONS) or source.partition('.')[0] == 'mmdet':
                for alias in line.names:
                    yield source, alias.name, alias.asname or alias.name


def _of_imports(handler: ast.ExceptHandler) -> bool:
    caught = getattr(handler.type, 'id', '')
    return caught in ('ImportError', 'ModuleNotFoundError')


def _mend(module: ModuleType, local: str, found: Any) -> None:
    """Replace what a guard put in the place of a name, also as a base of the module's classes."""
    before = getattr(module, local, None)
    if before is found:
        return
    setattr(module, local, found)
    for value in list(vars(module).values()):
        if inspect.isclass(value) and value.__module__ == module.__name__:
            bases = tuple(found if base is before else base for base in value.__bases__)
            if bases != value.__bases__:
                value.__bases__ = bases
