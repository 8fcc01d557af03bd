"""``--pretrained`` reaches the backbone of every config, and a large set from nothing is said."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from nasvit_mm.config import config_parts
from nasvit_mm.dense import check_pretrained, use_pretrained, warn_of_nothing
from nasvit_mm.errors import UsageError
from tests.commands import ROOT

LISTED = [
    dict(type='Constant', layer='Conv2d', val=0.0),
    dict(type='Pretrained', checkpoint='nets/some.pth'),
]
LEAVES = [
    path.relative_to(ROOT)
    for folder in ('seg', 'det', 'supernet', 'cls')
    for path in sorted((ROOT / 'configs' / folder).glob('*.py'))
]


def test_every_config_takes_weights_by_one_option() -> None:
    for path in LEAVES:
        cfg = Config.fromfile(ROOT / path)
        use_pretrained(cfg, 'nets/some.pth')
        given = [part.get('init_cfg') for _, part in config_parts(cfg.model, 'model')]
        assert dict(type='Pretrained', checkpoint='nets/some.pth') in given, path
        with pytest.raises(UsageError, match=r'nets/some\.pth .*do not exist'):
            check_pretrained(cfg)


def test_a_model_of_others_is_refused() -> None:
    cfg = Config(dict(model=dict(type='EncoderDecoder', backbone=dict(type='ResNet', depth=18))))
    with pytest.raises(UsageError, match='--pretrained x: the model has no backbone of nasvit_mm'):
        use_pretrained(cfg, 'x')


def test_names_of_weights_that_have_to_be_fetched() -> None:
    cfg = Config.fromfile(ROOT / 'configs/seg/nasvit_ade20k.py')
    use_pretrained(cfg, 'nasvit_like_421m')
    with pytest.raises(UsageError, match='have to be fetched: ckpt_360.pth from https'):
        check_pretrained(cfg)
    use_pretrained(cfg, 'twins_svt_small')
    check_pretrained(cfg)


@pytest.mark.parametrize(
    'config, number, options, warned',
    [
        ('seg/nasvit_ade20k.py', 20210, {}, True),
        ('det/vitas_coco.py', 117266, {}, True),
        ('seg/nasvit_camvid.py', 367, {}, False),
        ('cls/nasvit_in1k.py', 1281167, {}, False),
        ('supernet/nasvit_ade20k_supernet.py', 20210, {}, False),
        ('seg/nasvit_ade20k.py', 20210, dict(load_from='some.pth'), False),
        ('seg/nasvit_ade20k.py', 20210, {'model.backbone.init_cfg.type': 'Pretrained'}, False),
        ('seg/nasvit_ade20k.py', 20210, {'model.backbone.init_cfg': LISTED}, False),
        ('seg/nasvit_ade20k.py', 20210, {'model.backbone.init_cfg': LISTED[:1]}, True),
    ],
)
def test_a_large_set_from_nothing(config, number, options, warned, monkeypatch) -> None:
    said = []
    monkeypatch.setattr('nasvit_mm.dense.weights.print_log', lambda text, *_: said.append(text))
    cfg = Config.fromfile(ROOT / 'configs' / config)
    cfg.merge_from_dict(options)
    warn_of_nothing(cfg, lambda: number)
    assert any('begins with random weights' in text for text in said) is warned


def test_weights_in_a_list_have_to_exist() -> None:
    cfg = Config(dict(model=dict(type='ImageClassifier', init_cfg=LISTED)))
    with pytest.raises(UsageError, match=r'nets/some\.pth .*do not exist'):
        check_pretrained(cfg)
