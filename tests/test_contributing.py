"""The worked examples of CONTRIBUTING.md run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS

from nasvit_mm.dense import SearchedModel, build_model, count_model, kind_of
from nasvit_mm.registry import KINDS
from tests.families import small

ROOT = Path(__file__).resolve().parents[1]
FILES = [
    'tests/test_spaces/test_space.py',
    'tests/test_cost/test_count.py',
    'tests/test_backbones/test_families.py',
    'tests/test_backbones/test_pretrained.py',
    'tests/test_backbones/test_timm_model.py',
]


def example(heading: str, blocks: int) -> str:
    """All Python of a section."""
    text = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    section = re.split(r'\n#+ ', text.split(heading)[1])[0]
    found = re.findall(r'```python\n(.*?)```', section, re.S)
    assert len(found) == blocks
    return '\n\n'.join(found)


def passed(code: str, name: str, folder: Path, *files: str) -> int:
    """How many tests of a name pass with the code imported; none may fail."""
    (folder / 'the_example.py').write_text(code, encoding='utf-8')
    paths = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'pytest',
            '-q',
            '-p',
            'the_example',
            '-k',
            name,
            '-p',
            'no:cacheprovider',
            *files,
        ],
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=paths),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return int(re.search(r'(\d+) passed', done.stdout)[1])


@pytest.mark.slow
def test_a_family(tmp_path: Path) -> None:
    assert passed(example('### A worked example', 3), 'ladder', tmp_path, *FILES) > 130


@pytest.mark.slow
def test_a_sampler(tmp_path: Path) -> None:
    code = example('## Adding a sampler', 1)
    assert passed(code, 'ladder', tmp_path, 'tests/test_supernet/test_samplers.py') > 4


def test_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'the_kind.py').write_text(example('## Adding a kind of dense model', 1))
    monkeypatch.syspath_prepend(tmp_path)
    import_module('the_kind')
    try:
        space = small('nasvit').restrict(resolution=32)
        backbone = dict(type='nasvit_mm.NASViT', space=space.to_dict())
        head = dict(type='PointHead', in_channels=0, num_classes=4)
        cfg = Config(
            dict(
                default_scope='mmengine',
                model=dict(type='PointFinder', backbone=backbone, point_head=head),
            )
        )
        of, arch = SearchedModel(cfg, space), space.sample(0)
        model = build_model(of.config(arch))
        assert type(kind_of(model)).__name__ == 'Points'
        counted = count_model(model, (64, 96))
        assert counted.macs['head'] == 2 * 3 * 4 * model.backbone.out_channels[-1]
        assert of.total(space.genes([arch]), (64, 96)).macs[0] == counted.total_macs

        cfg.model.backbone.out_width = cfg.model.point_head.in_channels = 8
        supernet = MODELS.build(
            dict(
                type='nasvit_mm.Supernet',
                model=cfg.model,
                sampler=dict(type='sandwich'),
                distill=dict(sampled='largest', smallest='largest'),
            )
        ).train()
        before = supernet.model.point_head.conv.weight.clone()
        data = dict(inputs=torch.randn(2, 3, 64, 64), points=torch.randint(0, 4, (2, 2, 2)))
        optimizer = OptimWrapper(torch.optim.SGD(supernet.parameters(), 0.1))
        assert supernet.train_step(data, optimizer)['loss'].isfinite()
        assert not torch.equal(supernet.model.point_head.conv.weight, before)
    finally:
        for registry, names in ((KINDS, ['Points']), (MODELS, ['PointHead', 'PointFinder'])):
            for name in names:
                registry.module_dict.pop(name, None)


@pytest.mark.slow
def test_an_algorithm_and_an_evaluator(tmp_path: Path) -> None:
    code = example('## Adding a search algorithm', 1)
    assert passed(code, 'climb', tmp_path, 'tests/test_search/test_algorithms.py') > 4
    config = tmp_path / 'search.py'
    config.write_text(
        "custom_imports = dict(imports=['the_example'])\nspace = 'nasvit'\n"
        "objectives = ['narrowness', 'macs']\nevaluator = dict(type='Narrow')\n"
        "algorithm = dict(type='climb', population=5, generations=3)\n"
    )
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    command = [sys.executable, 'tools/search.py', str(config), '--work-dir', str(tmp_path / 'run')]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len((tmp_path / 'run/archive.jsonl').read_text().splitlines()) == 16


def test_a_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmengine.config import Config

    from nasvit_mm.search import read_search

    (tmp_path / 'the_cost.py').write_text(example('## Adding a cost', 1), encoding='utf-8')
    monkeypatch.syspath_prepend(str(tmp_path))
    config = tmp_path / 'search.py'
    config.write_text(
        "custom_imports = dict(imports=['the_cost'])\n"
        f"space = 'nasvit'\ntask = '{ROOT}/configs/seg/nasvit_ade20k.py'\n"
        'input_size = (512, 512)\n'
        "costs = dict(energy=dict(type='Energy', per_mac=3e-9))\n"
        "objectives = 'energy'\nconstraints = [dict(metric='energy', high=12)]\n"
        "algorithm = dict(type='random', population=5)\n"
    )
    plan = read_search(Config.fromfile(config), config)
    energy = plan.problem.costs(plan.algorithm.ask())['energy']
    assert len(energy) == 5 and energy.max() <= 12
    assert plan.identity['costs']['energy'] == dict(type='Energy', unit='mJ', per_mac=3e-9)
