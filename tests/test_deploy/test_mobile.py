"""Nightly: the mobile runtime holds every family.  Its packages are the extra `mobile`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nasvit_mm.dense import build_model
from nasvit_mm.deploy import Graph, Predictor, make_artefact
from tests.test_deploy.models import NETWORKS, SIZE, images, of_family


@pytest.mark.nightly
@pytest.mark.parametrize('family', NETWORKS)
def test_litert_holds_the_family(family: str, tmp_path: Path) -> None:
    pytest.importorskip('litert_torch')
    cfg, weights = of_family(family, tmp_path)
    out = tmp_path / 'out'
    made = make_artefact(cfg, weights, out, 'litert', SIZE, name=family, logits=True)
    model = build_model(cfg)
    model.load_state_dict(torch.load(weights))
    given = images(1)
    with torch.inference_mode():
        wanted = Graph(model.eval(), SIZE, logits=True).eval()(torch.from_numpy(given)).numpy()
    found = Predictor(made.folder).session.run(given)['logits']
    scale = np.abs(wanted).max()
    assert (found.argmax(1) == wanted.argmax(1)).mean() > 0.999
    np.testing.assert_allclose(found / scale, wanted / scale, atol=1e-3)
