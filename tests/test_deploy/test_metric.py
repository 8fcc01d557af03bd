"""The metric of an artefact, by its own runtime, beside that of the model it was made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasvit_mm.apis import deploy, evaluate
from nasvit_mm.demo_data import write_ade20k
from nasvit_mm.deploy import Artefact
from tests.commands import ROOT
from tests.test_deploy.models import CONFIGS, weights

pytest.importorskip('openvino')
pytestmark = pytest.mark.slow
SIZE = (128, 192)  # at which the attention has several windows


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
    found = evaluate(config, made.folder, **given)
    assert Artefact.load(made.folder).measured['metric'] == pytest.approx(found)
    if precision == 'fp32':
        assert found == pytest.approx(evaluate(config, trained, **given), abs=0.1)
    else:
        assert made.origin['calibration_images'] == 4
