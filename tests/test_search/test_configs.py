"""Search configs: everything but the supernet's weights is there, and the docstring is true."""
from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from nasvit_mm.engine import UsageError
from nasvit_mm.search import build_latency_table, latency, read_search, read_task
from tests.commands import ROOT
from tests.test_search.test_latency import Device

CONFIGS = sorted(str(path.relative_to(ROOT)) for pattern in ('search/*.py', 'demo/*_search.py')
                 for path in (ROOT / 'configs').glob(pattern))


@pytest.mark.parametrize('name', CONFIGS)
def test_it_asks_for_what_its_task_can_be(name, tmp_path, monkeypatch):
    path = ROOT / name
    text = ast.get_docstring(ast.parse(path.read_text()))
    cfg = Config.fromfile(path)
    cfg.pop('initial', None)  # out of a checkpoint
    if cfg.get('latency'):
        monkeypatch.setattr(latency, '_Stopwatch', Device)
        task, size = read_task(cfg, path)
        build_latency_table(task, size, networks=8, unseen=0).save(tmp_path / 'table.json')
        cfg.latency = str(tmp_path / 'table.json')
    plan = read_search(cfg, path)
    genes = plan.algorithm.ask()
    assert len(genes) == plan.algorithm.population and plan.problem.feasible(genes).all()
    supernet = ROOT / plan.evaluator['config']
    assert supernet.is_file() and plan.evaluator['config'] in text or cfg.get('latency')
    assert f'tools/search.py {name}' in text
    reach = re.search(r'reach\s+from ([\d.]+) to ([\d.]+) G', text)
    if reach:
        space = plan.problem.space
        ends = plan.problem.task.total(space.genes([space.smallest, space.largest]),
                                       plan.problem.input_size).macs / 1e9
        assert np.allclose(ends, [float(g) for g in reach.groups()], rtol=0.02)


def test_a_config_of_no_task():
    with pytest.raises(UsageError, match='none of this project'):
        read_task(Config(dict(model=dict(backbone=dict(type='ResNet')))))
    with pytest.raises(UsageError, match='the search config has no task'):
        read_task(Config(dict(space='nasvit')))


def test_there_are_configs():
    assert 'configs/search/nasvit_ade20k_5g.py' in CONFIGS
    assert all(Path(ROOT, name).is_file() for name in CONFIGS)
