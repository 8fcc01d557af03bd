"""timm's own registry has the models, and plain networks need no mm package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from mmengine.logging import HistoryBuffer

import nasvit_mm
from nasvit_mm import create_model
from nasvit_mm.errors import UsageError

ROOT = Path(nasvit_mm.__file__).resolve().parents[1]


def test_every_model_is_listed_under_its_name():
    there = set(timm.list_models())
    assert {name.replace('.', '_') for name in nasvit_mm.list_models()} <= there
    assert set(timm.list_models('nasvit*')) == {'nasvit', *nasvit_mm.list_models('nasvit_*')}


def test_a_dot_is_an_underscore_there():
    assert timm.create_model('elastic_L1_5').arch == create_model('elastic_L1.5').arch


def test_timms_names_stay_timms():
    theirs = timm.models.model_entrypoint('twins_svt_small')
    assert theirs.__module__.startswith('timm.')


def test_timms_arguments_reach_the_model():
    model = timm.create_model('nasvit_min', in_chans=2, num_classes=3, drop_rate=0.25)
    assert model(torch.zeros(1, 2, 64, 64)).shape == (1, 3) and model.head.dropout.p == 0.25
    model = timm.create_model('nasvit_min', features_only=True, out_indices=(1, 2))
    assert model.feature_info.reduction() == [8, 16]


def test_weights_of_a_file_in_timms_ways(tmp_path):
    weights, file = create_model('nasvit_min').state_dict(), str(tmp_path / 'weights.pth')
    torch.save(dict(state_dict=weights), file)
    overlay = dict(pretrained=True, pretrained_cfg_overlay=dict(file=file))
    for options in (overlay, dict(checkpoint_path=file)):
        found = timm.create_model('nasvit_min', **options).state_dict()
        assert all(torch.equal(found[key], value) for key, value in weights.items())


@pytest.mark.parametrize(
    ('name', 'message'), [('nasvit_min.in1k', 'no weights of that tag'), ('nasvit_min', 'fetched')]
)
def test_weights_that_there_are_not(name, message):
    with pytest.raises(UsageError, match=message):
        timm.create_model(name, pretrained=True)


def test_scripts_of_timm_read_what_images_they_want():
    assert timm.models.get_pretrained_cfg('nasvit_min').input_size == (3, 224, 224)


WITHOUT = """
import sys
for name in ('mmengine', 'mmcv', 'mmseg', 'mmdet'):
    sys.modules[name] = None
import nasvit_mm
assert not {'torch', 'timm'} & set(sys.modules)
import timm, torch
from nasvit_mm.errors import UsageError

options = dict(features_only=True, in_chans=4)
overlay = dict(file='iter_10.pth')
for model in (
    nasvit_mm.create_model('nasvit_min', pretrained='iter_10.pth', **options),
    timm.create_model('nasvit_min', pretrained=True, pretrained_cfg_overlay=overlay, **options),
):
    assert len(model(torch.zeros(1, 4, 64, 64))) == 4
for call in (
    nasvit_mm.create_model('nasvit_min', init_cfg=dict(type='Kaiming')).backbone.init_weights,
    lambda: nasvit_mm.registry.MODELS.build(dict(type='nasvit_mm.Supernet')),
):
    try:
        call()
    except UsageError as error:
        print(error)
"""


def test_networks_and_weights_need_no_mm_package(tmp_path):
    """Weights as a training leaves them: with mmengine's logs and the config of a segmentor."""
    weights = create_model('nasvit_min').backbone.state_dict()
    logs = dict(log_scalars={'train/loss': HistoryBuffer([1.0, 0.5], [1, 1])})
    config = "model = dict(backbone=dict(type='nasvit_mm.NASViT', arch='nasvit_min'))"
    state = {f'backbone.{key}': value for key, value in weights.items()}
    content = dict(state_dict=state, message_hub=logs, meta=dict(cfg=config))
    torch.save(content, tmp_path / 'iter_10.pth')
    done = subprocess.run(
        [sys.executable, '-W', 'error::UserWarning', '-c', WITHOUT],
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('needs mmengine, which is not installed') == 2


def test_mmsegs_own_wrapper_of_timm_takes_them():
    from mmseg.models import TIMMBackbone

    options = dict(features_only=True, out_indices=(1, 2, 3), pretrained=False)
    net = TIMMBackbone('nasvit_min', in_channels=4, **options)
    assert [m.shape[1] for m in net(torch.zeros(1, 4, 64, 64))] == [32, 64, 160]
