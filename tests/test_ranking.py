"""The benchmark of ranking: its configs are read, and its architectures lie as it says."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

import nasvit_mm
from nasvit_mm.runtime import read_config

FOLDER = Path(nasvit_mm.__file__).resolve().parents[1] / 'benchmarks/ranking'
RUN = runpy.run_path(str(FOLDER / 'run.py'))


@pytest.mark.parametrize('name', [*RUN['SUPERNETS'].values(), *RUN['ALONE'].values(), 'teacher.py'])
def test_configs(name: str) -> None:
    cfg = read_config(FOLDER / name)
    length = RUN['TEACHER_ITERATIONS'] if name == 'teacher.py' else RUN['ITERATIONS']
    assert cfg.train_cfg.max_iters == length
    assert ('taught' in name) == bool(cfg.get('teacher') or cfg.model.get('teacher'))
    assert ('shrunk' in name) == (cfg.model.get('sampler', {}).get('type') == 'shrinking')


def test_architectures_are_equal_ratios_apart() -> None:
    macs = np.array([macs for macs, _ in RUN['architectures']()])
    ratios = macs[1:] / macs[:-1]
    assert len(macs) == 8 and macs[-1] / macs[0] > 3.5
    assert ratios.min() > 1.15 and ratios.max() < 1.25
