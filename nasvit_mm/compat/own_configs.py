"""``_base_ = 'nasvit_mm::seg/nasvit_ade20k.py'`` and ``mmengine.hub.get_config``.

mmengine finds the configs of packages that are in a table of OpenMMLab's own.  The table is loaded
with mmengine, which ``import nasvit_mm`` does not do: ours is entered when it comes.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any

MODULE, PACKAGE = 'mmengine.config.config', 'nasvit_mm'


def register(module: ModuleType) -> None:
    """Enter this package into mmengine's table of packages with configs.

    mmengine looks types of another package's config up in that package's scope; ours are of mmseg
    and mmdet, and each config says of which (``default_scope``).
    """
    sys.modules['mmengine.config.utils'].MODULE2PACKAGE.setdefault(PACKAGE, PACKAGE)
    found = module.Config._get_cfg_path
    if found.__module__ == __name__:
        return

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        path, scope = found(cfg_path, filename)
        return path, None if scope == PACKAGE else scope

    module.Config._get_cfg_path = staticmethod(get_cfg_path)


class ConfigFinder(importlib.abc.MetaPathFinder):
    """Lets mmengine's module be loaded as ever, then enters this package; asked first."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                register(module)

            spec.loader.exec_module = exec_module
        return spec


def find_own_configs() -> None:
    """Enter this package into mmengine's table, now or when it is loaded."""
    if MODULE in sys.modules:
        register(sys.modules[MODULE])
    elif not any(isinstance(known, ConfigFinder) for known in sys.meta_path):
        sys.meta_path.insert(0, ConfigFinder())
