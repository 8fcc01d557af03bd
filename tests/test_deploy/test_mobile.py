"""Nightly: the mobile runtime holds every family.  Its packages are the extra `mobile`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nasvit_mm.data import seed_everything
from nasvit_mm.dense import build_model
from nasvit_mm.deploy import make_artefact
from nasvit_mm.family import FAMILIES
from tests.families import randomised, small
from tests.test_deploy.models import SIZE, config


@pytest.mark.nightly
@pytest.mark.parametrize('family', ['nasvit', 'elasticvit', 'vitas_deit_small', 'vitas_twins'])
def test_litert_holds_the_family(family: str, tmp_path: Path) -> None:
    pytest.importorskip('litert_torch')
    cfg, space = config('label map'), small(family)
    cfg.model.backbone = dict(
        type=f'nasvit_mm.{FAMILIES[family].part("backbone").__name__}',
        space=space.to_dict(),
        arch='smallest',
        out_width=list(cfg.model.decode_head.in_channels),
    )
    seed_everything(0)
    built = randomised(build_model(cfg))
    torch.nn.init.normal_(built.decode_head.conv_seg.weight)
    torch.save(built.state_dict(), tmp_path / 'weights.pth')
    made = make_artefact(
        cfg, str(tmp_path / 'weights.pth'), tmp_path / 'out', 'litert', SIZE, name=family
    )
    assert made.measured['equal_labels'] > 0.999
