"""What a network saw otherwise than the model that begins with its weights."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from nasvit_mm.dense import build_model, sees_otherwise, use_pretrained, warn_of_other_input
from tests.test_supernet.tasks import model_config


@pytest.fixture(scope='module')
def model():
    return build_model(segmentor())


def segmentor(backbone=(), **pre) -> Config:
    cfg = Config(dict(model=model_config('nasvit', 'segmentation'), default_scope='mmseg'))
    cfg.model.backbone.update(dict(backbone))
    cfg.model.data_preprocessor.update(pre)
    return cfg


CLASSIFIER = dict(type='nasvit_mm.ImageClassifier', space='nasvit')


@pytest.mark.parametrize(
    'cfg, said',
    [
        (segmentor(), ()),
        (segmentor(dict(input_scale=50)), ('at 50 % of the size of the images, the model at 100',)),
        (segmentor(dict(attention='window')), ("attention is 'window', that of the model 'auto'",)),
        (segmentor(mean=[0.0, 0.0, 0.0]), ('by mean = [0.0, 0.0, 0.0], those of the model by [',)),
        (segmentor(std=[1.0, 1.0, 1.0]), ('by std = [1.0, 1.0, 1.0], those of the model by [',)),
        (segmentor(bgr_to_rgb=False), ('leaves the order of the channels, that of the model',)),
        (Config(dict(model=CLASSIFIER)), ()),
        (
            Config(dict(model=dict(CLASSIFIER, data_preprocessor=dict(mean=[0.5] * 3)))),
            ('by mean = [127.5, 127.5, 127.5]',),
        ),
    ],
)
def test_every_difference_is_said(cfg, said, model):
    found = list(sees_otherwise(model, cfg))
    assert len(found) == len(said) and all(a in b for a, b in zip(said, found))


def test_where_the_scale_is_a_gene():
    """A network that is laid in by init has its own; backbone weights alone have none."""
    cfg = segmentor(dict(input_scale=50))
    space = dict(cfg.model.backbone.space, task=dict(scale=[50, 100]))
    model = build_model(segmentor(dict(space=space, arch='supernet')))
    assert not list(sees_otherwise(model, cfg))
    (said,) = sees_otherwise(model, cfg, with_task=False)
    assert 'at 50 % of the size of the images, and its weights alone stand for 100 %' in said
    assert not list(sees_otherwise(model, segmentor(), with_task=False))


def test_what_the_file_to_begin_with_tells(model, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('nasvit_mm.dense.weights.print_log', lambda text, *_: said.append(text))
    theirs = segmentor(dict(input_scale=50))
    path = tmp_path / 'net.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(cfg=theirs.pretty_text)), path)
    cfg = segmentor()
    use_pretrained(cfg, str(path))
    warn_of_other_input(model, cfg)
    assert len(said) == 1 and f'{path}, to begin with: it computes at 50 %' in said[0]


def test_pretrained_takes_the_place_of_a_supernets_network():
    cfg = Config(dict(model=dict(type='nasvit_mm.Supernet', model=segmentor().model, init='b.pth')))
    use_pretrained(cfg, 'a.pth')
    assert cfg.model.init is None
    assert cfg.model.model.backbone.init_cfg == dict(type='Pretrained', checkpoint='a.pth')
