"""Kinds of models: their loss is the model's own, and what is distilled is what it predicts by."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import nn

from nasvit_mm.classification import Classifier, ImageClassifier
from nasvit_mm.data import seed_everything
from nasvit_mm.dense import (
    Detector,
    LossesOnly,
    ModelKind,
    Segmentor,
    build_model,
    count_model,
    fit_channels,
    head_types,
    kind_of,
    kind_of_config,
    write_results,
)
from nasvit_mm.errors import UsageError
from nasvit_mm.families.vitas_twins.network import TwinsViTAS
from nasvit_mm.registry import KINDS
from tests.commands import ROOT
from tests.test_supernet.tasks import batch

SIZE = (96, 128)
CASES = {
    'configs/demo/nasvit_demo.py': Segmentor,
    'configs/seg/vitas_ade20k_upernet.py': Segmentor,  # with an auxiliary head
    'configs/demo/nasvit_detection.py': Detector,
    'configs/det/nasvit_coco_mask.py': Detector,
}


def config(path: str) -> Config:
    cfg = Config.fromfile(ROOT / path)
    if 'upernet' in path:
        cfg.model.backbone.update(arch='twins_tiny')
        cfg.model.decode_head.update(channels=32)
        fit_channels(cfg, TwinsViTAS('twins_tiny').out_channels)
    return cfg


def model_of(path: str, **head) -> nn.Module:
    cfg = config(path)
    for name in ('decode_head', 'bbox_head'):
        if name in cfg.model:
            for key, value in head.items():
                cfg.model[name][key] = value
    seed_everything(0)
    return build_model(cfg)


class Plain(BaseModel):
    """What mmengine asks of a model, no more."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 1)

    def forward(self, inputs, labels=None, mode='tensor'):
        out = self.conv(inputs)
        return dict(loss_all=out.square().mean(), accuracy=out.mean()) if mode == 'loss' else out


@pytest.mark.parametrize('path', CASES)
def test_the_loss_is_the_models_own(path):
    model = model_of(path)
    kind, data = kind_of(model), batch(model, SIZE)
    assert type(kind) is CASES[path]
    assert issubclass(type(kind), kind_of_config(config(path).model))
    seed_everything(1)
    output = kind.forward(model, data)
    seed_everything(1)
    own, _ = model.parse_losses(model.loss(data['inputs'], data['data_samples']))
    assert output.loss.item() == pytest.approx(own.item(), rel=1e-5)
    output.loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    with torch.no_grad():
        assert kind.score(model, data).item() < 0


def test_what_is_distilled():
    model = model_of('configs/demo/nasvit_demo.py')
    output = kind_of(model).forward(model, batch(model, SIZE))
    (logits,) = output.logits
    assert logits.shape[:2] == (2, 150) and output.rest == 0

    model = model_of('configs/demo/nasvit_detection.py')
    data = batch(model, SIZE)
    output = kind_of(model).forward(model, data)
    scores, _ = model.bbox_head(model.extract_feat(data['inputs']))
    assert len(output.logits) == len(scores) == 5
    for z, score in zip(output.logits, scores):
        assert z.shape[:2] == (2, 2)
        assert torch.allclose(z.softmax(1)[:, 0], score.sigmoid(), atol=1e-5)
    losses = model.bbox_head.loss(model.extract_feat(data['inputs']), data['data_samples'])
    boxes = sum(part.mean() for part in losses['loss_bbox'])
    assert output.rest.item() == pytest.approx(boxes.item(), rel=1e-4)


def test_the_fallback_is_mmengines_contract():
    model = Plain()
    kind = kind_of(model)
    assert type(kind) is LossesOnly and not kind.distils
    data = dict(inputs=torch.randn(2, 3, 8, 8))
    assert kind.forward(model, data).loss == model.conv(data['inputs']).square().mean()
    assert count_model(model, 8).total_macs == 3 * 5 * 64
    with pytest.raises(UsageError, match='Linear is no model of mmengine'):
        count_model(nn.Linear(3, 3), 8)


def test_counting_says_what_it_cannot_run():
    cfg = config('configs/det/nasvit_coco_mask.py')
    model = build_model(cfg)
    model.roi_head.bbox_head = nn.ModuleList([model.roi_head.bbox_head])
    with pytest.raises(UsageError, match='MaskRCNN cannot be counted: .* kind Detector .*forward'):
        count_model(model, SIZE)

    class Other(Plain):
        def forward(self, inputs, boxes, mode='tensor'):
            return self.conv(inputs)

    with pytest.raises(UsageError, match='Other cannot be counted: .*LossesOnly .*boxes'):
        count_model(Other(), 8)


def test_the_last_registered_kind_is_asked_first():
    @KINDS.register_module()
    class Mine(ModelKind):
        parts = ('decode_head',)
        takes = ('decode_head',)

        @classmethod
        def fits(cls, model):
            return isinstance(model, (Plain, ImageClassifier))

    try:
        assert type(kind_of(Plain())) is Mine
        assert type(kind_of(ImageClassifier('nasvit', 'smallest', num_classes=2))) is Mine
        assert kind_of_config(dict(decode_head=dict(type='FCNHead'))) is Mine
    finally:
        del KINDS.module_dict['Mine']
    assert type(kind_of(Plain())) is LossesOnly
    assert type(kind_of(ImageClassifier('nasvit', 'smallest', num_classes=2))) is Classifier


def test_parts_of_a_config():
    assert head_types(config('configs/det/nasvit_coco_mask.py').model) == [
        'FPN',
        'RPNHead',
        'StandardRoIHead',
    ]
    upernet = config('configs/seg/vitas_ade20k_upernet.py').model
    assert head_types(upernet) == ['UPerHead']
    assert Segmentor.config_takers(upernet) == [upernet.decode_head, upernet.auxiliary_head]
    inside = dict(type='nasvit_mm.Supernet', model=dict(type='nasvit_mm.ImageClassifier'))
    assert kind_of_config(inside) is Classifier
    assert kind_of_config(dict(type='SegTTAModel', module=upernet)) is Segmentor


def test_what_is_written(tmp_path):
    folder = str(tmp_path / 'out')
    cfg = config('configs/demo/nasvit_demo.py')
    write_results(cfg, folder)
    assert cfg.test_evaluator.output_dir == folder and cfg.test_evaluator.keep_results
    cfg = config('configs/demo/nasvit_detection.py')
    write_results(cfg, folder)
    assert cfg.test_evaluator.outfile_prefix == f'{folder}/detections'
    cfg.test_evaluator.type = 'VOCMetric'
    with pytest.raises(UsageError, match='VOCMetric writes no detections'):
        write_results(cfg, folder)
    cfg.model = dict(type='nasvit_mm.ImageClassifier')
    with pytest.raises(UsageError, match='a classifier has neither'):
        write_results(cfg, folder)
