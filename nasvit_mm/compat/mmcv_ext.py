"""A stand-in for mmcv's compiled operations.

``pip install onedl-mmcv`` and ``pip install mmcv-lite`` give an mmcv without ``mmcv._ext``, and
then ``import mmdet.models`` fails.  A finder at the END of ``sys.meta_path`` serves that module if
no other finder does, so that compiled operations always take precedence.  What it supplies, on CPU
and GPU, are the functions of ``compat/ops/``.  Every other name resolves, because mmcv looks all of
them up at import, and raises ``MissingOpError`` when called.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from nasvit_mm.compat.missing import MissingOpError, what_helps

NAME = 'mmcv._ext'


def is_stand_in(module: ModuleType) -> bool:
    """Return whether an imported ``mmcv._ext`` is the stand-in rather than the compiled module."""
    return isinstance(getattr(module, '__loader__', None), StandInFinder)


class StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and creates ``mmcv._ext``; it is asked only after every other finder has failed."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != NAME:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin='nasvit_mm.compat.mmcv_ext')

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _StandIn(spec.name, __doc__)

    def exec_module(self, module: ModuleType) -> None:
        from nasvit_mm.compat import ops  # imports torch, as mmcv itself has by now

        vars(module).update({name: getattr(ops, name) for name in ops.__all__})
        # mmcv's report of its environment, which every training run prints.
        module.get_compiler_version = lambda: 'none: nasvit_mm stand-in on torchvision'
        module.get_compiling_cuda_version = lambda: 'not available'


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        # Names with an underscore belong to Python's import system, which must find them missing.
        if name.startswith('_'):
            raise AttributeError(f'module {NAME!r} has no attribute {name!r}')

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            tensors = [x for x in (*args, *kwargs.values()) if hasattr(x, 'device')]
            device = tensors[0].device.type if tensors else 'cpu'
            raise MissingOpError(
                f'the operation {name!r} of mmcv is neither compiled here nor supplied by '
                f'nasvit_mm: {what_helps(name, device)}'
            )

        missing.__name__ = name
        return missing
