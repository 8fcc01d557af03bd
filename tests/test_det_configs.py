"""Every detection config: it parses, builds, trains a step, predicts, and its docstring is true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_configs import FIGURES, ROOT, docstring, stated_sizes

DETECTION = sorted(
    str(path.relative_to(ROOT))
    for pattern in (
        'configs/det/*.py',
        'configs/demo/*_detection.py',
        'benchmarks/bccd/*.py',
        'benchmarks/light/[!_]*.py',
        'benchmarks/overfit/*.py',
    )
    for path in ROOT.glob(pattern)
    if '_base_ =' in path.read_text(encoding='utf-8')
)

# The most MACs that the docstring promises.
BUDGETS = {
    'configs/det/elasticvit_rtmdet_coco.py': 2.5e9,
    'configs/det/nasvit_rtmdet_coco.py': 5e9,
    'configs/det/nasvit_rtmdet_coco_mid.py': 12e9,
}
RTMDET = ('configs/det/nasvit_rtmdet_coco.py', 'configs/det/nasvit_rtmdet_coco_mask.py')

# Runs in a process of its own and never imports nasvit_mm: the configs alone must bring it in.
SCRIPT = """
import json, sys
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

assert 'nasvit_mm' not in sys.modules
torch.set_num_threads(1)
known = {}
for path, stated in json.loads(sys.argv[1]).items():
    cfg = Config.fromfile(path)
    same = json.dumps([cfg.model, cfg.train_dataloader, cfg.val_dataloader, stated])
    if same in known:  # a short name
        print('RESULT', json.dumps(dict(known[same], path=path)))
        continue
    init_default_scope(cfg.default_scope)
    from mmdet.registry import DATASETS, MODELS, TRANSFORMS
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    import mmdet.models, mmdet.datasets, mmdet.visualization
    import numpy as np
    model = MODELS.build(cfg.model)
    model.init_weights()
    two = getattr(model, 'roi_head', None)
    head = two.bbox_head if two else model.bbox_head
    dataset = cfg.val_dataloader.dataset
    meta = DATASETS.get(dataset.type).METAINFO
    named = dataset.get('metainfo', meta)['classes']

    from nasvit_mm.dense import count_model
    macs = {}
    for size in stated:
        cost = count_model(model, tuple(size))
        macs['%dx%d' % tuple(size)] = [*cost.macs.values(), cost.total_macs]

    height, width = sizes = (128, 192)
    samples = []
    for i in range(2):
        sample = DetDataSample(metainfo=dict(
            img_shape=sizes, ori_shape=sizes, pad_shape=sizes, batch_input_shape=sizes,
            scale_factor=(1.0, 1.0)))
        boxes = torch.tensor([[10., 20., 70., 90.], [100., 40., 160., 120.]])
        masks = np.zeros((2, height, width), np.uint8)
        masks[:, 30:80, 20:60] = 1
        sample.gt_instances = InstanceData(
            bboxes=boxes, labels=torch.tensor([0, len(named) - 1]))
        if any('mask' in name for name, _ in model.named_modules()):
            sample.gt_instances.masks = BitmapMasks(masks, height, width)
        sample.ignored_instances = InstanceData(bboxes=boxes[:0], labels=torch.zeros(0).long())
        samples.append(sample)
    pictures = torch.randn(2, 3, *sizes)
    model.train()
    losses = model(pictures, samples, mode='loss')
    loss = sum(v if torch.is_tensor(v) else sum(v) for k, v in losses.items() if 'loss' in k)
    loss.backward()
    unused = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    model.eval()
    with torch.no_grad():
        predicted = model(pictures, samples, mode='predict')
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        inner = loader.dataset.get('dataset', loader.dataset)
        for step in inner.pipeline:
            TRANSFORMS.build(step)
    known[same] = dict(
        path=path, loss=float(loss), unused=unused, classes=[head.num_classes, len(named)],
        macs=macs, masks=all('masks' in p.pred_instances for p in predicted),
        found=[len(p.pred_instances) for p in predicted])
    print('RESULT', json.dumps(known[same]))
"""


@pytest.fixture(scope='module')
def results() -> dict[str, dict]:
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    stated = {path: stated_sizes(path) for path in DETECTION}
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


def test_there_are_configs() -> None:
    names = {
        f'configs/det/{family}_coco{mask}.py'
        for family in ('nasvit', 'elasticvit', 'vitas')
        for mask in ('', '_mask')
    }
    assert {*names, 'configs/det/vitas_coco_mask_3x.py', *BUDGETS, *RTMDET} <= set(DETECTION)


@pytest.mark.parametrize('path', DETECTION)
def test_builds_and_runs(path: str, results: dict[str, dict]) -> None:
    result = results[path]
    assert 0 < result['loss'] < 100
    assert result['classes'][0] == result['classes'][1], 'head and data set disagree'
    # Distributed training then needs no search for unused parameters.
    assert result['unused'] == []
    assert result['masks'] == ('mask' in path or 'rtmdet-ins' in path)


@pytest.mark.parametrize('path', DETECTION)
def test_docstring_states_the_measured_macs(path: str, results: dict[str, dict]) -> None:
    stated = FIGURES.findall(docstring(path))
    assert stated, f'{path}: no line "MACs at H x W: backbone .., neck .., head .., total .."'
    for height, width, *figures in stated:
        measured = results[path]['macs'][f'{height}x{width}']
        assert [f for f in figures if f] == [f'{macs / 1e9:.2f}' for macs in measured]


@pytest.mark.parametrize(('path', 'most'), BUDGETS.items())
def test_light_detectors_keep_their_budgets(
    path: str, most: float, results: dict[str, dict]
) -> None:
    *_, total = results[path]['macs']['640x640']
    assert 0.9 * most < total <= most


@pytest.fixture(scope='module')
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from nasvit_mm.demo_data import write_coco

    root = tmp_path_factory.mktemp('coco')
    write_coco(root, 4, 1, height=96, width=128, progress=False)
    return root


@pytest.mark.parametrize('path', RTMDET)
@pytest.mark.parametrize('last', [False, True])
def test_the_pipelines_of_rtmdet_make_its_batches(path: str, last: bool, coco: Path) -> None:
    """Images of one shape with their boxes and masks, in the first epochs and in the last ones."""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    from nasvit_mm.registry import DATASETS

    cfg = Config.fromfile(ROOT / path)
    init_default_scope(cfg.default_scope)
    dataset = cfg.train_dataloader.dataset
    if last:
        dataset.pipeline = cfg.custom_hooks[0].switch_pipeline
    dataset = DATASETS.build(dict(dataset, data_root=str(coco)))
    found = 0
    for i in range(len(dataset)):
        sample = dataset[i]
        assert sample['inputs'].shape == (3, 640, 640)
        objects = sample['data_samples'].gt_instances
        assert ('masks' in objects) == ('mask' in path)
        if 'masks' in objects:
            assert objects.masks.masks.shape == (len(objects), 640, 640)
        found += len(objects)
    assert found


@pytest.mark.parametrize('path', RTMDET)
def test_the_last_epochs_of_rtmdet_join_no_images(path: str) -> None:
    from mmengine.config import Config

    cfg = Config.fromfile(ROOT / path)
    hook, joins = cfg.custom_hooks[0], ('CachedMosaic', 'CachedMixUp')
    first, last = (
        [step['type'] for step in pipeline]
        for pipeline in (cfg.train_dataloader.dataset.pipeline, hook.switch_pipeline)
    )
    assert set(joins) <= set(first)
    assert last == [name for name in first if name not in joins]
    # The metric of every epoch from there on.
    assert cfg.train_cfg.dynamic_intervals == [(hook.switch_epoch, 1)]
    assert hook.switch_epoch < cfg.train_cfg.max_epochs


def test_a_searched_backbone_costs_what_the_built_detector_does() -> None:
    """The dense task's formula of neck and head serves detectors as it is."""
    from mmengine.config import Config

    from nasvit_mm import get_space
    from nasvit_mm.dense import SearchedModel, build_model, count_model

    for family, space in (('nasvit', 'nasvit'), ('vitas', 'vitas_twins')):
        for mask in ('', '_mask'):
            cfg = Config.fromfile(ROOT / f'configs/det/{family}_coco{mask}.py')
            task, size = SearchedModel(cfg, get_space(space)), (480, 640)
            arch = task.space.sample(1, 1)[0]
            formula = task.total(task.space.genes([arch]), size)
            traced = count_model(build_model(task.config(arch)), size)
            assert formula.macs[0] == traced.total_macs
            assert formula.params[0] == traced.total_params
