"""The proofs of ranking: their configs are read, and their architectures lie as they say."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import nasvit_mm
from nasvit_mm.runtime import read_config

BENCHMARKS = Path(nasvit_mm.__file__).resolve().parents[1] / 'benchmarks'
sys.path.insert(0, str(BENCHMARKS))
STUDIES = {
    name: runpy.run_path(str(BENCHMARKS / name))['STUDY']
    for name in ('ranking/run.py', 'bccd_ranking/run.py')
}
CONFIGS = [
    (study, stage, config)
    for study, each in STUDIES.items()
    for stage, config in {'teacher': each.teacher, **each.supernets, **each.alone}.items()
]


@pytest.mark.parametrize(('study', 'stage', 'config'), CONFIGS)
def test_configs(study: str, stage: str, config: str) -> None:
    study = STUDIES[study]
    cfg = read_config(study.configs / config)
    unit, length = (study.teacher_last if stage == 'teacher' else study.last)[:-4].split('_')
    assert cfg.train_cfg[dict(iter='max_iters', epoch='max_epochs')[unit]] == int(length)
    assert ('taught' in stage) == bool(cfg.get('teacher') or cfg.model.get('teacher'))
    assert ('shrunk' in stage) == (cfg.model.get('sampler', {}).get('type') == 'shrinking')
    assert ('levels' in stage) == (cfg.model.get('sampler', {}).get('type') == 'levels')


@pytest.mark.parametrize(
    ('name', 'points', 'range_'), [('ranking/run.py', 8, 3.5), ('bccd_ranking/run.py', 4, 2.4)]
)
def test_architectures_are_equal_ratios_apart(name: str, points: int, range_: float) -> None:
    macs = np.array([macs for macs, _ in STUDIES[name].architectures])
    ratios = macs[1:] / macs[:-1]
    assert len(macs) == points and macs[-1] / macs[0] > range_
    assert ratios.max() / ratios.min() < 1.1
