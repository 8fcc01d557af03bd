"""Differences between environments: mmcv without compiled operations, runs without a GPU.

``import nasvit_mm``, which ``type='nasvit_mm....'`` in a config does, calls ``install()``: from
then on a ``mmcv._ext`` that was not compiled is served by ``compat/ops/``.  This package loads
neither torch nor mmcv before they are needed.
"""

from nasvit_mm.compat.amp import check_amp, half_type, has_bf16
from nasvit_mm.compat.distributed import init_distributed
from nasvit_mm.compat.install import install
from nasvit_mm.compat.memory import keep_freed_memory
from nasvit_mm.compat.missing import MissingOpError, build_command, has_cpu_kernel
from nasvit_mm.compat.mmcv_ext import is_stand_in
from nasvit_mm.compat.reachable import check_operations, missing_operations, modules_without
from nasvit_mm.compat.telemetry import import_onnxruntime
from nasvit_mm.compat.when_loaded import when_loaded

__all__ = [
    'MissingOpError',
    'build_command',
    'check_amp',
    'check_operations',
    'half_type',
    'has_bf16',
    'has_cpu_kernel',
    'import_onnxruntime',
    'init_distributed',
    'install',
    'is_stand_in',
    'keep_freed_memory',
    'missing_operations',
    'modules_without',
    'when_loaded',
]
