"""Nightly: int8 holds every family."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasvit_mm.demo_data import write_ade20k
from nasvit_mm.deploy import get_runtime, make_artefact
from tests.test_deploy.models import NETWORKS, SIZE, of_family

QUANTISED = dict(onnx=b'DequantizeLinear', openvino=b'"FakeQuantize"')  # as a file has it
LEAST = 0.9  # equal labels


@pytest.mark.nightly
@pytest.mark.parametrize('runtime', QUANTISED)
@pytest.mark.parametrize('family', NETWORKS)
def test_a_family_in_int8(family: str, runtime: str, tmp_path: Path) -> None:
    pytest.importorskip('nncf')
    pytest.importorskip(get_runtime(runtime).package)
    write_ade20k(tmp_path / 'data', 1, 4, height=SIZE[0], width=SIZE[1], progress=False)
    cfg, weights = of_family(family, tmp_path)
    cfg.train_dataloader = dict(dataset=dict(cfg.test_dataloader.dataset))
    cfg.train_dataloader.dataset.data_root = str(tmp_path / 'data')
    made = make_artefact(
        cfg,
        weights,
        tmp_path / 'out',
        runtime,
        SIZE,
        name=family,
        precision='int8',
        num_calibration=4,
    )
    assert made.model_file.read_bytes().count(QUANTISED[runtime]) > 20
    assert made.measured['equal_labels'] >= LEAST
