"""Which operations of mmcv a model can reach, and which of them are missing on its device.

A missing operation is met when it is called: suppression hours into a run, when scores first pass a
threshold.  Their source says before which ones the classes of a config can call.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

from nasvit_mm.compat.missing import has_cpu_kernel, what_helps
from nasvit_mm.compat.mmcv_ext import is_stand_in
from nasvit_mm.errors import UsageError

# Packages that hold models; the rest (torch, numpy) knows nothing of mmcv.
FOLLOWED = ('mmcv', 'mmdet', 'mmseg', 'mmpretrain', 'nasvit_mm')
REGISTRIES = ('mmdet', 'mmseg', 'nasvit_mm')  # where no default scope says it


def check_operations(cfg: Mapping[str, Any], device: str | None = None) -> None:
    """Check that the device has every operation of mmcv that a config's model can reach.

    Args:
        cfg: the whole config.
        device: the type of the device; None: the one that mmengine trains on.

    Raises:
        UsageError: names every missing operation, who needs it, and what helps.
    """
    from mmengine.device import get_device

    device = device or get_device()
    missing = missing_operations(cfg, device)
    if missing:
        named = '; '.join(f'{op} ({", ".join(who)})' for op, who in missing.items())
        raise UsageError(
            f'the model can reach operations of mmcv that are missing on this machine ({device}): '
            f'{named}: {what_helps(next(iter(missing)), device)}'
        )


def missing_operations(cfg: Mapping[str, Any], device: str) -> dict[str, list[str]]:
    """Return the missing operations that the model of a config can reach.

    Args:
        cfg: the whole config; its model is not built.
        device: the type of the device, 'cpu' or 'cuda'.

    Returns:
        Names of ``mmcv._ext`` -> the keys of the config's parts that can call them.
    """
    found: dict[str, list[str]] = {}
    for where, part in _parts(cfg.get('model'), cfg.get('default_scope')):
        for operation in sorted(_missing_of(part, device)):
            found.setdefault(operation, []).append(f'{where}: {part.__name__}')
    return found


def _parts(model: Any, scope: str | None) -> Iterator[tuple[str, Any]]:
    """Yield the key and the class or function of every part of a model, also of its defaults."""
    from nasvit_mm.config import config_parts

    left = list(config_parts(model, 'model'))
    while left:
        where, node = left.pop(0)
        kind = _named_by(node.get('type'), scope)
        if kind is None:
            continue
        yield where, kind
        with contextlib.suppress(ValueError):  # a built-in one has no signature
            for name, argument in inspect.signature(kind).parameters.items():
                if name not in node and isinstance(argument.default, Mapping):
                    left += config_parts(argument.default, f'{where}.{name}')


def modules_without(device: str) -> dict[str, set[str]]:
    """Return mmdet's and mmseg's registered classes that use a missing operation.

    Args:
        device: the type of the device.

    Returns:
        Name of the class -> the operations that it can reach and that are missing.
    """
    import mmcv.ops

    lacking = {
        id(value)
        for value in vars(mmcv.ops).values()
        if _definition(value) and _missing_of(_definition(value), device)
    }
    found = {}
    for scope in ('mmdet', 'mmseg'):
        with contextlib.suppress(ImportError):  # not installed
            models = import_module(f'{scope}.registry').MODELS
            models.import_from_location()
            for name, kind in models.module_dict.items():
                modules = {getattr(base, '__module__', '') for base in inspect.getmro(kind)}
                held = (vars(sys.modules[m]).values() for m in modules if _is_followed(m))
                if any(id(value) in lacking for values in held for value in values):
                    missing = _missing_of(kind, device)
                    found |= {name: missing} if missing else {}
    return found


def _missing_of(part: Any, device: str) -> set[str]:
    return {name for name in operations_of(part) if is_missing(name, device)}


def is_missing(operation: str, device: str) -> bool:
    """Return whether an operation, a name in ``mmcv._ext``, fails on a type of device."""
    import mmcv._ext as ext

    if is_stand_in(ext):  # what it supplies runs on every device
        return operation not in vars(ext)
    return device == 'cpu' and not has_cpu_kernel(operation)


def _named_by(kind: Any, scope: str | None) -> Any:
    """Return what a ``type`` of a config names, in a registry or mmcv.ops; None if nothing."""
    if not isinstance(kind, str):
        return kind if inspect.isclass(kind) or inspect.isfunction(kind) else None
    for package in (scope, 'nasvit_mm') if scope else REGISTRIES:
        for registry in ('MODELS', 'TASK_UTILS'):
            with contextlib.suppress(ImportError, AttributeError, KeyError):
                found = getattr(import_module(f'{package}.registry'), registry).get(kind)
                if found is not None:
                    return found
    import mmcv.ops

    # Layers of regions and ways of suppression are looked up there, by these names.
    return getattr(mmcv.ops, kind, None)


@cache
def operations_of(start: Any) -> frozenset[str]:
    """Return every operation that a class or function can reach, by their names in ``mmcv._ext``.

    What its source names is followed through mmcv, mmdet, mmseg, mmpretrain and its own package:
    bases, functions, other classes.  What it builds from a config is that config's.
    """
    found, seen, left = set(), set(), [start]
    while left:
        part = left.pop()
        if part in seen:
            continue
        seen.add(part)
        operations, named = _named(part)
        found |= operations
        left += named
    return frozenset(found)


@cache
def _named(part: Any) -> tuple[frozenset[str], tuple[Any, ...]]:
    """Return the operations that the source of a class or function calls, and what it names."""
    module = sys.modules.get(part.__module__)
    node = _definitions(module).get(part.__qualname__) if module else None
    if node is None:
        return frozenset(), ()
    operations, named = set(), list(getattr(part, '__mro__', ())[1:])
    left = [node]
    while left:
        inner = left.pop()
        left += ast.iter_child_nodes(inner)
        if isinstance(inner, ast.Call) and getattr(inner.func, 'id', '') == 'isinstance':
            left.remove(inner.func)
            left[-len(inner.args) :] = inner.args[:1]  # classes are named, not used
        elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
            if inner.value.id == 'ext_module':
                operations.add(inner.attr)
            holder = getattr(module, inner.value.id, None)
            if isinstance(holder, ModuleType) or inspect.isclass(holder):
                named.append(getattr(holder, inner.attr, None))
                left.remove(inner.value)  # of the class only what is used
        elif isinstance(inner, ast.Name):
            named.append(getattr(module, inner.id, None))
    own = part.__module__.partition('.')[0]
    parts = {_definition(value, own) for value in named}
    return frozenset(operations), tuple(parts - {None})


def _is_followed(module: Any, own: str = '') -> bool:
    return isinstance(module, str) and module.partition('.')[0] in (*FOLLOWED, own)


def _definition(value: Any, own: str = '') -> Any:
    """Return the class or function behind a value of a module that is followed, else None.

    Args:
        own: a package that is followed besides.
    """
    if inspect.ismethod(value) and value.__name__ == 'apply':  # ``f = SomeFunction.apply``
        value = value.__self__
    if inspect.isclass(value) or isinstance(value, FunctionType):
        value = inspect.unwrap(value)
        return value if _is_followed(getattr(value, '__module__', None), own) else None
    return None


@cache
def _definitions(module: ModuleType) -> dict[str, ast.AST]:
    """Return the classes, functions and methods of a module's source by qualified name."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):  # without a source
        return {}
    found: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found[node.name] = node
        if isinstance(node, ast.ClassDef):
            methods = (inner for inner in node.body if isinstance(inner, ast.FunctionDef))
            found |= {f'{node.name}.{method.name}': method for method in methods}
    return found
