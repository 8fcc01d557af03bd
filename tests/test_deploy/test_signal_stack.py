"""Cores of OpenVINO that others make and end leave the process a stack for its signal handlers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.commands import ROOT

pytest.importorskip('openvino')
SCRIPT = """
import signal, openvino
from nasvit_mm.deploy.runtimes import OpenVino

def core():
    made = openvino.Core()
    made.get_property('CPU', 'FULL_DEVICE_NAME')
    return made

signal.signal(signal.SIGUSR1, lambda *_: print('handled', flush=True))
with OpenVino.others_cores():
    first = core()
    second = core()
    del first, second  # the older one first
signal.raise_signal(signal.SIGUSR1)
"""


def test_a_signal_is_handled_after_others_cores() -> None:
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ['handled'], done.returncode
