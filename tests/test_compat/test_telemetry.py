"""onnxruntime sends nothing, and keeps no identifier of the device."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT

pytest.importorskip('onnxruntime')


def test_nothing_is_kept(tmp_path: Path) -> None:
    """Where it reports, it first writes an identifier of the device and a store of events."""
    env = {k: v for k, v in os.environ.items() if k not in ('CI', 'ORT_DISABLE_TELEMETRY')}
    env.update(HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path), PYTHONPATH=str(ROOT))
    code = 'from nasvit_mm.compat import import_onnxruntime as load; load().get_all_providers()'
    done = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


def test_nothing_else_imports_it() -> None:
    for folder in ('nasvit_mm', 'benchmarks', 'tests'):
        for path in (ROOT / folder).rglob('*.py'):
            # A kit's script runs without this package, and switches it off itself.
            if path.name not in ('telemetry.py', 'time_networks.py', Path(__file__).name):
                text = path.read_text(encoding='utf-8')
                assert not re.search(r'^\s*(import|from) onnxruntime', text, re.M), path
