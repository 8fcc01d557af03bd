"""onnxruntime without its telemetry."""

from __future__ import annotations

import os
from types import ModuleType

VARIABLE = 'ORT_DISABLE_TELEMETRY'


def import_onnxruntime() -> ModuleType:
    """Import onnxruntime such that it reports nothing.

    From 1.29 on its official builds for Linux and macOS send what models are loaded to Microsoft
    unless this variable is set before the first import: nothing is then sent, and no identifier of
    the device is kept (microsoft/onnxruntime#27379, #29843).  A value that the user gave stays;
    builds for Windows are told by a call.

    Raises:
        ImportError: it is not installed.
    """
    os.environ.setdefault(VARIABLE, '1')
    import onnxruntime

    if os.environ[VARIABLE] not in ('', '0'):
        onnxruntime.disable_telemetry_events()
    return onnxruntime
