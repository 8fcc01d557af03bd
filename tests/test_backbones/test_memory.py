"""A detector's pictures fit: windows keep the largest networks small at 800 x 1344."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ('kind', 'arch'),
    [('NASViT', 'nasvit_max'), ('ElasticViT', 'elastic_L3'), ('TwinsViTAS', 'twins_svt_small')],
)
def test_activations_at_800_x_1344(kind: str, arch: str) -> None:
    done = subprocess.run(
        [sys.executable, 'benchmarks/memory.py', kind, arch, 'auto', '800', '1344'],
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = float(re.search(r'([\d.]+) GiB', done.stdout)[1])
    assert 0.05 < found < 3
