"""``_base_ = 'nasvit_mm::seg/nasvit_ade20k.py'`` and ``mmengine.hub.get_config``.

mmengine finds the configs of packages that are in a table of OpenMMLab's own.  The table is loaded
with mmengine, which ``import nasvit_mm`` does not do: ours is entered when it comes.
"""

from __future__ import annotations

import sys
from types import ModuleType

from nasvit_mm.compat.when_loaded import when_loaded

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


def find_own_configs() -> None:
    """Enter this package into mmengine's table, now or when it is loaded."""
    when_loaded(MODULE, register)
