"""Every config that a user names: it parses, builds, runs, and its docstring tells the truth."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
SEGMENTATION = sorted(
    str(path.relative_to(ROOT))
    for pattern in (
        'configs/seg/*.py',
        'configs/demo/*_demo.py',
        'benchmarks/camvid/*.py',
        'benchmarks/heads/[!_]*.py',
    )
    for path in ROOT.glob(pattern)
    if '_base_ =' in path.read_text(encoding='utf-8')
)

TRAINED = sorted(
    str(path.relative_to(ROOT))
    for pattern in ('seg/*.py', 'det/*.py', 'cls/*_retrain_*.py', 'supernet/*.py', 'demo/*.py')
    for path in (ROOT / 'configs').glob(pattern)
    if not path.name.endswith('_search.py')
)

# Runs in a process of its own and never imports nasvit_mm: the configs alone must bring it in.
SCRIPT = """
import json, sys
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData

assert 'nasvit_mm' not in sys.modules
torch.set_num_threads(1)
known = {}
for path, stated in json.loads(sys.argv[1]).items():
    cfg = Config.fromfile(path)
    same = json.dumps([cfg.model, cfg.train_pipeline, cfg.val_dataloader, stated])
    if same in known:  # a short name
        print('RESULT', json.dumps(dict(known[same], path=path)))
        continue
    init_default_scope(cfg.default_scope)
    from mmseg.registry import DATASETS, MODELS, TRANSFORMS
    from mmseg.structures import SegDataSample
    import mmseg.models, mmseg.datasets, mmseg.visualization
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    model.init_weights()
    classes = model.decode_head.num_classes
    dataset = cfg.val_dataloader.dataset
    meta = DATASETS.get(dataset.type).METAINFO
    named = dataset.get('metainfo', meta)['classes']

    from nasvit_mm.dense import count_model
    macs = {}
    for size in stated:
        cost = count_model(model, tuple(size))
        macs['%dx%d' % tuple(size)] = [*cost.macs.values(), cost.total_macs]

    sizes = (64, 96)
    samples = [SegDataSample(
        gt_sem_seg=PixelData(data=torch.randint(0, classes, (1, *sizes))),
        metainfo=dict(img_shape=sizes, ori_shape=sizes, pad_shape=sizes)) for _ in range(2)]
    pictures = torch.randn(2, 3, *sizes)
    model.train()
    losses = model(pictures, samples, mode='loss')
    loss = sum(v for k, v in losses.items() if 'loss' in k)
    loss.backward()
    unused = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    model.eval()
    with torch.no_grad():
        predicted = model(pictures, samples, mode='predict')
    for pipeline in (cfg.train_pipeline, cfg.test_pipeline):
        for step in pipeline:
            TRANSFORMS.build(step)
    known[same] = dict(
        path=path, loss=float(loss), unused=unused, classes=[classes, len(named)], macs=macs,
        shapes=[list(p.pred_sem_seg.data.shape) for p in predicted])
    print('RESULT', json.dumps(known[same]))
"""

FIGURES = re.compile(
    r'MACs at (\d+) x (\d+):\s+backbone ([\d.]+) G,\s+(?:neck ([\d.]+) G,\s+)?head ([\d.]+) G,'
    r'\s+total ([\d.]+) G'
)


@pytest.fixture(scope='module')
def results() -> dict[str, dict]:
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    stated = {path: stated_sizes(path) for path in SEGMENTATION}
    run = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', SCRIPT, json.dumps(stated)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    lines = [json.loads(line[7:]) for line in run.stdout.splitlines() if line.startswith('RESULT ')]
    return {result['path']: result for result in lines}


def stated_sizes(path: str) -> list[list[int]]:
    """Return the (height, width) of every line of MACs in a config's docstring."""
    return [[int(height), int(width)] for height, width, *_ in FIGURES.findall(docstring(path))]


def docstring(path: str) -> str:
    return ast.get_docstring(ast.parse((ROOT / path).read_text(encoding='utf-8'))) or ''


def test_there_are_configs() -> None:
    assert 'configs/seg/nasvit_ade20k.py' in SEGMENTATION
    assert 'configs/demo/nasvit_demo.py' in SEGMENTATION


@pytest.mark.parametrize('path', TRAINED)
def test_a_killed_run_goes_on(path: str) -> None:
    """A checkpoint is saved before the end."""
    cfg = Config.fromfile(ROOT / path)
    length = cfg.train_cfg.get('max_iters') or cfg.train_cfg.get('max_epochs')
    assert 2 * cfg.default_hooks.checkpoint.interval <= length
    assert cfg.default_hooks.checkpoint.by_epoch == ('max_epochs' in cfg.train_cfg)


@pytest.mark.parametrize('path', sorted((ROOT / 'configs/_base_/datasets').glob('*.py')))
def test_workers_stay_between_epochs(path: Path) -> None:
    loaders = {k: v for k, v in Config.fromfile(path).items() if k.endswith('_dataloader')}
    assert loaders and all(loader.persistent_workers for loader in loaders.values() if loader)


@pytest.mark.parametrize('path', SEGMENTATION)
def test_builds_and_runs(path: str, results: dict[str, dict]) -> None:
    result = results[path]
    assert 0 < result['loss'] < 50
    assert result['classes'][0] == result['classes'][1], 'head and data set disagree'
    assert result['shapes'] == [[1, 64, 96]] * 2
    # Distributed training then needs no search for unused parameters.
    assert result['unused'] == []


@pytest.mark.parametrize('path', SEGMENTATION)
def test_docstring_states_the_measured_macs(path: str, results: dict[str, dict]) -> None:
    text = docstring(path)
    stated = FIGURES.findall(text)
    assert stated, f'{path}: no line "MACs at H x W: backbone .., [neck ..,] head .., total .."'
    for height, width, *figures in stated:
        measured = results[path]['macs'][f'{height}x{width}']
        assert [f for f in figures if f] == [f'{macs / 1e9:.2f}' for macs in measured]
    command = re.search(r'tools/train.py (\S+)|make demo', text)
    assert command and (ROOT / (command[1] or 'Makefile')).is_file()


def test_light_head_keeps_the_budget(results: dict[str, dict]) -> None:
    assert results['configs/seg/nasvit_ade20k_2g.py']['macs']['512x512'][2] <= 2e9
    assert results['configs/seg/nasvit_ade20k.py']['macs']['512x512'][2] <= 5e9
    assert results['configs/seg/nasvit_ade20k_5g.py']['macs']['512x512'][2] <= 5e9
    assert results['configs/seg/nasvit_cityscapes.py']['macs']['512x1024'][2] <= 5e9
