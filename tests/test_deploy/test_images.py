"""The images by which an artefact is calibrated and compared, and how they come to its size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from timm.data import create_transform

from nasvit_mm.deploy import Artefact
from nasvit_mm.deploy.artefact import Fit
from nasvit_mm.deploy.images import calibration_images, fit_of, spread
from nasvit_mm.deploy.predictor import fitted, ready_for
from tests.test_deploy.models import written


@pytest.mark.parametrize(('total', 'number'), [(367, 128), (129, 128), (10, 4), (7, 7), (1000, 2)])
def test_the_whole_set_is_spread_over(total: int, number: int) -> None:
    found = spread(total, number)
    assert (found[0], found[-1], len(set(found))) == (0, total - 1, number)
    steps = np.diff(found)
    assert steps.max() - steps.min() <= 1


def test_a_set_may_have_fewer_images() -> None:
    assert spread(3, 128) == [0, 1, 2]
    assert spread(5, 1) == [0]


def test_calibration_images_end_at_the_last(tmp_path: Path) -> None:
    (tmp_path / 'train/a').mkdir(parents=True)
    for index in range(11):
        Image.new('RGB', (32, 32), (index, 0, 0)).save(tmp_path / f'train/a/{index:02}.png')
    dataset = dict(
        type='nasvit_mm.ImageFolder', data_root=str(tmp_path), split='train', transform={}
    )
    cfg = Config(dict(train_dataloader=dict(dataset=dataset), default_scope='mmengine'))
    found = calibration_images(cfg, (32, 32), Fit('stretch'), (0, 0, 0), 5)
    assert found[:, 0, 0, 0].tolist() == [0, 2, 5, 8, 10]


def dataset(**loader: Any) -> Config:
    return Config(dict(test_dataloader=dict(dataset=loader)))


@pytest.mark.parametrize(
    ('cfg', 'task', 'fit'),
    [
        (dataset(transform=dict(input_size=224, crop_pct=0.9)), 'classes', ('crop', 0.9)),
        (dataset(transform=dict(input_size=224)), 'classes', ('crop', 0.875)),
        (dataset(transform=dict(crop_mode='squash', crop_pct=1.0)), 'classes', ('stretch', 1)),
        (dataset(dataset=dict(transform=dict(crop_pct=0.9))), 'classes', ('crop', 0.9)),
        (Config(), 'classes', ('stretch', 1)),
        (dataset(pipeline=[dict(type='Resize', keep_ratio=True)]), 'boxes', ('pad', 1)),
        (dataset(pipeline=[dict(type='mmdet.Resize')]), 'boxes', ('stretch', 1)),
        (dataset(pipeline=[dict(type='Resize', keep_ratio=True)]), 'label map', ('stretch', 1)),
        (Config(dict(test_pipeline=[dict(type='Resize', keep_ratio=True)])), 'boxes', ('pad', 1)),
    ],
)
def test_images_come_to_the_input_as_those_of_the_test_do(
    cfg: Config, task: str, fit: tuple[str, float]
) -> None:
    assert fit_of(cfg, task) == fit


@pytest.mark.parametrize('size', [(300, 200), (200, 300), (50, 40), (224, 224), (97, 333)])
@pytest.mark.parametrize('share', [0.875, 0.9, 1.0])
def test_the_middle_is_that_of_timm(size: tuple[int, int], share: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1] // 4, size[0] // 4, 3), np.uint8)
    image = Image.fromarray(pixels).resize(size)
    transform = create_transform(
        96, interpolation='bicubic', crop_pct=share, normalize=False, is_training=False
    )
    wanted = transform(image).permute(1, 2, 0).numpy()
    found, _ = fitted(image, (96, 96), Fit('crop', share), (0, 0, 0))
    apart = np.abs(found.astype(int) - wanted)
    assert apart.max() <= 8
    assert apart.mean() < 0.5


def test_an_image_that_is_almost_a_line() -> None:
    found, _ = fitted(Image.new('RGB', (20_000, 1), (1, 2, 3)), (32, 48), Fit('crop', 0.9), ())
    assert (found == (1, 2, 3)).all()


def test_an_artefact_says_what_its_predictor_crops(tmp_path: Path) -> None:
    image = Image.new('RGB', (96, 32))
    image.paste((255, 0, 0), (24, 0, 72, 32))
    given = dict(task='classes', fit='crop', share=0.5)
    written(tmp_path, **given)
    artefact = Artefact.load(tmp_path)
    assert (artefact.fit, artefact.share) == ('crop', 0.5)
    ready, _ = ready_for(artefact, image)
    assert ready.shape == (32, 48, 3)
    assert (ready[:, 4:-4, 0] == 255).all()
