"""What is wrong with a kind of model is said before the first step, which leaves no trace."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch import nn

from nasvit_mm.data import seed_everything
from nasvit_mm.dense import Segmentor, StepOutput, kind_of
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import Distillation, check
from tests.test_supernet.tasks import model_config, raw_batch

SIZE = (64, 64)
FOLLOW = dict(sampled='largest', smallest='largest')


def model(auxiliary: bool = False) -> nn.Module:
    cfg = Config(model_config('nasvit', 'segmentation'))
    if auxiliary:
        cfg.auxiliary_head = dict(
            type='FCNHead',
            in_channels=16,
            in_index=3,
            channels=8,
            num_convs=1,
            num_classes=4,
            loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.0),
        )
    seed_everything(0)
    return MODELS.build(cfg.to_dict()).train()


def checked(model: nn.Module, kind=None, **distill) -> None:
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    context = partial(wrapper.optim_context, model)
    data = raw_batch(model, SIZE)
    check.check_training(model, kind or kind_of(model), Distillation(**distill), data, context)


class Half(Segmentor):
    def forward(self, model, data):
        output = super().forward(model, data)
        return output._replace(loss=output.loss / 2)


class NoHead(Segmentor):
    """Its loss has the right value, and leaves the auxiliary head out, whose weight is 0."""

    def forward(self, model, data):
        logits = model.decode_head(model.extract_feat(data['inputs']))
        losses = model.decode_head.loss_by_feat(logits, data['data_samples'])
        return StepOutput((logits,), losses['loss_ce'])


class OneClass(Segmentor):
    def forward_on(self, model, data, objects):
        output = super().forward_on(model, data, objects)
        return output._replace(logits=tuple(z[:, :1] for z in output.logits))


class Forgets(Segmentor):
    """What a subnet learns from another one leaves the decode head out."""

    def forward_on(self, model, data, objects):
        output = super().forward_on(model, data, objects)
        return output._replace(logits=tuple(z.detach() for z in output.logits))


@pytest.mark.parametrize(
    ('kind', 'distill', 'message'),
    [
        (Half, {}, 'its kind Half returns'),
        (NoHead, {}, r'kind NoHead returns does not reach auxiliary_head\.\w+.* and \d+ more'),
        (OneClass, FOLLOW, 'OneClass returns cannot be compared: .* one class'),
        (Forgets, FOLLOW, r'learns from another one does not reach backbone\.'),
    ],
)
def test_a_wrong_kind_is_refused(kind, distill, message):
    of = model(auxiliary=kind is NoHead)
    with pytest.raises(UsageError, match=message):
        checked(of, kind(), **distill)


def test_what_no_loss_reaches_is_named(monkeypatch):
    said = []
    monkeypatch.setattr(check, 'print_log', lambda message, **kwargs: said.append(message))
    whole = model()
    checked(whole)
    assert not said
    whole.decode_head.spare = nn.Linear(2, 2)
    checked(whole)
    assert 'never trained' in said[0] and 'decode_head.spare.weight' in said[0]


class Cut(nn.Module):
    """Multiplies by zero what it hands on."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *args, **kwargs):
        return self.layer(*args, **kwargs) * 0


def test_a_gradient_of_zero_is_named(monkeypatch):
    """Unless it is that of a scale which starts at zero, as those of MBConvs do."""
    said = []
    monkeypatch.setattr(check, 'print_log', lambda message, **kwargs: said.append(message))
    of = model()
    assert any(not p.any() for n, p in of.backbone.named_parameters() if n.endswith('bn.weight'))
    checked(of)
    assert not said
    of.decode_head.convs[0] = Cut(of.decode_head.convs[0])
    checked(of)
    assert said and all('gradient of them is zero: backbone.' in line for line in said)


def test_an_output_that_no_head_takes_is_named(monkeypatch):
    said = []
    monkeypatch.setattr(check, 'print_log', lambda message, **kwargs: said.append(message))
    cfg = Config(model_config('nasvit', 'segmentation'))
    cfg.backbone.out_width = 16
    cfg.decode_head.update(in_index=[1, 2, 3], in_channels=[16, 16, 16])
    checked(MODELS.build(cfg.to_dict()).train())
    assert 'never trained' in said[0] and 'backbone.taps.0' in said[0]


def test_nothing_is_changed():
    of = model()
    before = {k: v.clone() for k, v in of.state_dict().items()}
    active, modes = of.backbone.arch, [m.training for m in of.modules()]
    seed_everything(7)
    expected = random.random(), np.random.rand(), float(torch.rand(()))
    seed_everything(7)
    checked(of, **FOLLOW)
    assert (random.random(), np.random.rand(), float(torch.rand(()))) == expected
    assert all(torch.equal(v, before[k]) for k, v in of.state_dict().items())
    assert all(p.grad is None for p in of.parameters())
    assert of.backbone.arch == active and [m.training for m in of.modules()] == modes
