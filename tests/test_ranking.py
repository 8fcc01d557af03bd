"""The proofs of ranking: their configs are read, and their architectures lie as they say."""

from __future__ import annotations

import dataclasses
import json
import runpy
import shutil
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
    for name in ('ranking/run.py', 'sharing/run.py', 'bccd_ranking/run.py')
}
CONFIGS = [
    (study, stage, config)
    for study, each in STUDIES.items()
    for stage, config in {'teacher': each.teacher, **each.supernets, **each.alone}.items()
    if config
]


@pytest.mark.parametrize(('study', 'stage', 'config'), CONFIGS)
def test_configs(study: str, stage: str, config: str) -> None:
    study = STUDIES[study]
    cfg = read_config(study.configs / config)
    unit, length = (study.teacher_last if stage == 'teacher' else study.last)[:-4].split('_')
    assert cfg.train_cfg[dict(iter='max_iters', epoch='max_epochs')[unit]] == int(length)
    assert ('taught' in stage) == bool(cfg.get('teacher') or cfg.model.get('teacher'))
    assert ('shrunk' in stage) == (cfg.model.get('sampler', {}).get('type') == 'shrinking')
    for sampler in ('levels', 'bank'):
        assert (sampler in stage) == (cfg.model.get('sampler', {}).get('type') == sampler)
    for sharing in ('ordinal', 'bilateral', 'cyclic'):
        if sharing in stage:
            assert cfg.model.model.backbone.sharing == sharing


@pytest.mark.parametrize(
    ('name', 'points', 'range_'),
    [('ranking/run.py', 8, 3.5), ('sharing/run.py', 4, 4.0), ('bccd_ranking/run.py', 4, 2.4)],
)
def test_architectures_are_equal_ratios_apart(name: str, points: int, range_: float) -> None:
    macs = np.array([macs for macs, _ in STUDIES[name].architectures])
    ratios = macs[1:] / macs[:-1]
    assert len(macs) == points and macs[-1] / macs[0] > range_
    assert ratios.max() / ratios.min() < 1.1


def test_networks_that_are_measured_one_by_one(tmp_path: Path, capsys) -> None:
    study = dataclasses.replace(STUDIES['ranking/run.py'], target=tmp_path / 'docs/found')
    (tmp_path / 'docs').mkdir()

    def measure(places: list[int]) -> None:
        shutil.rmtree(tmp_path / 'runs', ignore_errors=True)  # another machine
        for place in places:
            for split, score in dict(val=50, test=40).items():
                out = tmp_path / f'runs/alone/seed0/{place}/{split}/test/1'
                out.mkdir(parents=True)
                (out / '1.json').write_text(json.dumps(dict(mIoU=score + place)))
        study.report(tmp_path / 'runs')

    measure([0, 2])
    assert [i for i in range(8) if study.reported('alone', 0, i)] == [0, 2]
    measure([2, 3])
    assert '| alone, seed 0, val | 50.0 |  | 52.0 | 53.0 |' in capsys.readouterr().out
    found = json.loads((tmp_path / 'docs/found.json').read_text())['runs']['alone']['0']
    assert found['test'] == [40, None, 42, 43, None, None, None, None]
