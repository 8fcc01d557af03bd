"""The metric of an artefact, by its own runtime, beside that of the model it was made of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from nasvit_mm.apis import deploy, evaluate
from nasvit_mm.data import seed_everything
from nasvit_mm.demo_data import write_ade20k
from nasvit_mm.dense import build_model
from nasvit_mm.deploy import Artefact
from tests.commands import ROOT
from tests.test_deploy.models import CONFIGS, convolutions, weights

pytest.importorskip('openvino')
pytestmark = pytest.mark.slow
SIZE = (128, 192)  # at which the attention has several windows


def test_a_drop_is_of_the_metric_of_the_validation_images(tmp_path: Path) -> None:
    write_ade20k(tmp_path / 'data', 4, 2, height=SIZE[0], width=SIZE[1], progress=False)
    model = convolutions().model
    model.decode_head.num_classes = 150
    config, trained = tmp_path / 'config.py', tmp_path / 'weights.pth'
    config.write_text(
        f'_base_ = {str(ROOT / CONFIGS["label map"])!r}\n'
        f'model = dict(_delete_=True, **{model.to_dict()!r})\n'
        f'data_root = {str(tmp_path / "data")!r}\n'
        + ''.join(
            f'{split}_dataloader = dict(dataset=dict(data_root=data_root))\n'
            for split in ('train', 'val', 'test')
        )
    )
    seed_everything(0)
    torch.save(build_model(Config.fromfile(config)).state_dict(), trained)
    made = deploy(
        config,
        trained,
        tmp_path / 'out',
        to='openvino',
        shape=SIZE,
        precision='int8',
        num_calibration=2,
        max_drop=100,
    )
    found = evaluate(config, trained, work_dir=tmp_path / 'work', skip_data_check=True)
    told = made.origin['max_drop']
    assert (told['metric'], told['validation_images'], told['allowed']) == ('mIoU', 2, 100)
    assert told['float'] == pytest.approx(found['mIoU'], abs=0.1)


@pytest.mark.parametrize('precision', ['fp32', 'int8'])
def test_metric_by_the_runtime(precision: str, tmp_path: Path) -> None:
    write_ade20k(tmp_path / 'data', 4, 2, height=SIZE[0], width=SIZE[1], progress=False)
    config, trained = ROOT / CONFIGS['label map'], weights('label map', tmp_path)
    options = {
        f'{split}_dataloader.dataset.data_root': str(tmp_path / 'data')
        for split in ('train', 'val', 'test')
    }
    made = deploy(
        config,
        trained,
        tmp_path / 'out',
        to='openvino',
        shape=SIZE,
        precision=precision,
        num_calibration=4,
        options=options,
    )
    given = dict(work_dir=tmp_path / 'work', options=options, skip_data_check=True)
    found = evaluate(config, made.folder, out=tmp_path / 'maps', **given)
    assert len(list((tmp_path / 'maps').glob('*.png'))) == 2
    assert Artefact.load(made.folder).measured['metric'] == pytest.approx(found)
    if precision == 'fp32':
        assert found == pytest.approx(evaluate(config, trained, **given), abs=0.1)
    else:
        assert made.origin['calibration_images'] == 4
