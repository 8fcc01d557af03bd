"""Differences between environments: mmcv without compiled operations, runs without a GPU.

Importing this package calls ``install()``: from then on a ``mmcv._ext`` that was not compiled is
served from torchvision's kernels.  That is its only side effect, and it loads neither torch nor
mmcv.  In a config, add ``custom_imports = dict(imports=['nasvit_mm.compat'])``; in Python, import
it before mmseg or mmdet.
"""

from nasvit_mm.compat.amp import check_amp
from nasvit_mm.compat.distributed import init_distributed
from nasvit_mm.compat.mmcv_ext import build_command, install, is_stand_in
from nasvit_mm.compat.telemetry import import_onnxruntime

__all__ = [
    'build_command',
    'check_amp',
    'import_onnxruntime',
    'init_distributed',
    'install',
    'is_stand_in',
]

install()
