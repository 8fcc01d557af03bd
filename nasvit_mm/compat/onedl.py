"""``_base_ = 'mmseg::...'`` with OneDL's packages.

mmengine looks for mmseg under the name of OpenMMLab's distribution, ``mmsegmentation``, and where
there is none for a module of that name.  OneDL's distribution is ``onedl-mmsegmentation``.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
from types import ModuleType
from typing import Any

DISTRIBUTION, MODULE = 'mmsegmentation', 'mmseg'


class DistributionFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers for ``mmsegmentation`` with mmseg's own place; asked after all other finders."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != DISTRIBUTION:
            return None
        found = importlib.util.find_spec(MODULE)
        origin = found.origin if found else None
        return origin and importlib.machinery.ModuleSpec(fullname, self, origin=origin)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return importlib.import_module(MODULE)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: mmseg has run."""
