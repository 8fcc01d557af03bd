"""Images of other than three channels: through preprocessor, network and training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from nasvit_mm.apis import train
from nasvit_mm.backbones import ElasticFeatures
from nasvit_mm.dense import CheckData, build_model, check_preprocessor, count_model, searched_model
from nasvit_mm.deploy.latency_table import about_task
from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.family import FAMILIES

ROOT = Path(__file__).resolve().parents[2]


def config(channels: int, **preprocessor) -> Config:
    cfg = Config.fromfile(ROOT / 'configs/demo/nasvit_demo.py')
    cfg.model.backbone.in_channels = channels
    cfg.model.data_preprocessor.update(preprocessor)
    return cfg


NONE = dict(mean=None, std=None, bgr_to_rgb=False)


@pytest.mark.parametrize(
    ('channels', 'preprocessor', 'message'),
    [
        (4, {}, r'mean has 3 values, and the backbone .* 4 channels .*Normalize'),
        (1, {}, r'mean has 3 values, .* 1 channels'),
        (4, dict(NONE, mean=[0.0] * 4, std=[1.0] * 4), 'mean has 4 values'),
        (4, dict(NONE, bgr_to_rgb=True), 'bgr_to_rgb=True .* set bgr_to_rgb=False'),
        (3, dict(mean=[0.0] * 4, std=[1.0] * 4), 'mean has 4 values'),
    ],
    ids=str,
)
def test_a_preprocessor_of_other_channels(channels, preprocessor, message) -> None:
    cfg = config(channels, **preprocessor)
    for call in (check_preprocessor, build_model):
        with pytest.raises(UsageError, match=message):
            call(cfg)


@pytest.mark.parametrize(
    ('channels', 'preprocessor'), [(4, NONE), (1, dict(NONE, mean=[0.0], std=[1.0])), (3, {})]
)
def test_a_preprocessor_that_fits(channels, preprocessor) -> None:
    model = build_model(config(channels, **preprocessor))
    count_model(model, (64, 96))
    assert model.backbone(torch.zeros(1, channels, 64, 96))


@pytest.mark.parametrize(('found', 'kind'), [(3, 'unchanged'), (1, 'unchanged')])
def test_images_of_other_channels_than_the_backbone_takes(found, kind) -> None:
    net = FAMILIES['nasvit'].part('backbone')('nasvit_min', in_channels=4)
    sample = SimpleNamespace(metainfo=dict(img_path='a.png'))
    batch = dict(inputs=[torch.zeros(found, 8, 8)], data_samples=[sample])
    with pytest.raises(DataError, match=rf"a.png is loaded with {found} .* 4.*'{kind}'"):
        CheckData().before_train_iter(SimpleNamespace(model=ElasticFeatures(net)), 0, batch)


def test_a_search_counts_the_channels_of_the_images() -> None:
    four, three = (searched_model(config(n, **NONE)) for n in (4, 3))
    arch, size = four.space.arch('nasvit_min'), (64, 96)
    cost = four.total(four.space.genes([arch]), size)
    model = count_model(build_model(four.config(arch)), size)
    assert (cost.macs[0], cost.params[0]) == (model.total_macs, model.total_params)
    assert about_task(four, size) != about_task(three, size)  # of tables of latencies


@pytest.mark.slow
def test_a_training_on_four_channels(tmp_path, monkeypatch) -> None:
    """By mmseg's own loader, transforms and preprocessor."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for split in ('training', 'validation'):
        for name in 'ab':
            for folder, size in (('images', (64, 96, 4)), ('annotations', (64, 96))):
                path = tmp_path / 'ade' / folder / split / f'{name}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                values = rng.integers(0, 4 if len(size) == 2 else 256, size)
                Image.fromarray(values.astype(np.uint8)).save(path)
    cfg = config(4, **NONE, size=(64, 96))
    load = [
        dict(type='LoadImageFromFile', color_type='unchanged'),
        dict(type='Normalize', mean=[127.0] * 4, std=[60.0] * 4, to_rgb=False),
        dict(type='LoadAnnotations', reduce_zero_label=True),
        dict(type='PackSegInputs'),
    ]
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False, batch_size=2)
        loader.dataset.update(data_root='ade', img_suffix='.png', pipeline=load)
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.param_scheduler = []
    runner = train(cfg, work_dir=tmp_path / 'out')
    assert (tmp_path / 'out/curves.png').is_file()
    assert runner.model.backbone.stem.weight.shape[1] == 4
    assert list((tmp_path / 'out').glob('*.pth'))
