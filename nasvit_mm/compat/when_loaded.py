"""Something to do when another package is imported, which ``import nasvit_mm`` does not do."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

Callback = Callable[[ModuleType], None]


class LoadFinder(importlib.abc.MetaPathFinder):
    """Lets one module be loaded as ever, then calls a function with it; asked before others."""

    def __init__(self, name: str, call: Callback) -> None:
        self.name, self.call = name, call

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self.call(module)

            spec.loader.exec_module = exec_module
        return spec


def when_loaded(name: str, call: Callback) -> None:
    """Call a function with a module, now or when it is loaded."""
    if name in sys.modules:
        call(sys.modules[name])
    elif not any(isinstance(f, LoadFinder) and f.name == name for f in sys.meta_path):
        sys.meta_path.insert(0, LoadFinder(name, call))
