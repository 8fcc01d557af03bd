"""Elastic batch norm (against torch's), the joint norm, recalibration."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.model import convert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from torch import nn

from nasvit_mm.nn import (
    ElasticBatchNorm2d,
    ElasticTokenNorm,
    Span,
    frozen_statistics,
    recalibrate_bn,
)
from tests.commands import agree


@pytest.mark.parametrize('span', [Span(0, 4, 6), Span(0, 6, 6), Span(1, 3, 6), Span(4, 4, 6)])
@pytest.mark.parametrize('momentum', [0.1, None])
def test_batch_norm_is_torchs_on_the_active_channels(span, momentum):
    torch.manual_seed(0)
    ours, plain = (
        ElasticBatchNorm2d(6, momentum=momentum),
        nn.BatchNorm2d(span.width, momentum=momentum),
    )
    index = [(span.start + i) % 6 for i in range(span.width)] if span.width < 6 else list(range(6))
    nn.init.normal_(ours.weight), nn.init.normal_(ours.bias)
    nn.init.normal_(ours.running_mean)
    before = ours.running_mean.clone()
    plain.weight.data, plain.bias.data = ours.weight.data[index], ours.bias.data[index]
    plain.running_mean.copy_(before[index])
    for _ in range(3):
        x = torch.randn(2, span.width, 3, 5)
        torch.testing.assert_close(ours(x, span), plain(x), rtol=0, atol=0)
    torch.testing.assert_close(ours.running_mean[index], plain.running_mean, rtol=0, atol=0)
    torch.testing.assert_close(ours.running_var[index], plain.running_var, rtol=0, atol=0)
    rest = [i for i in range(6) if i not in index]
    assert torch.equal(ours.running_mean[rest], before[rest])
    ours.eval(), plain.eval()
    torch.testing.assert_close(ours(x, span), plain(x), rtol=0, atol=0)


@pytest.mark.parametrize('momentum', [0.1, None])
def test_frozen_statistics(momentum):
    norm, span = ElasticBatchNorm2d(4, momentum=momentum), Span(0, 4, 4)
    x = torch.randn(2, 4, 3, 3) + 5
    with frozen_statistics(norm):
        inside = norm(x, span)
    assert torch.equal(norm.running_mean, torch.zeros(4)) and norm.num_batches_tracked == 0
    assert torch.equal(inside, norm(x, span))
    assert not torch.equal(norm.running_mean, torch.zeros(4))


def test_conversion_to_sync_bn_leaves_it_and_norm_decay_reaches_it():
    model = nn.Sequential(ElasticBatchNorm2d(4), nn.BatchNorm2d(4))
    assert type(convert_sync_batchnorm(model)[0]) is ElasticBatchNorm2d
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
            paramwise_cfg=dict(norm_decay_mult=0.0),
        ),
    )
    assert all(group['weight_decay'] == 0 for group in wrapper.optimizer.param_groups)


def test_token_norm_is_one_group():
    norm = ElasticTokenNorm(8)
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    x = torch.randn(2, 12, 5)
    plain = nn.functional.group_norm(x.transpose(1, 2), 1, norm.weight[:5], norm.bias[:5])
    torch.testing.assert_close(norm(x, Span(0, 5, 8)), plain.transpose(1, 2))


@pytest.mark.parametrize('mean', [0.0, 30.0])
def test_token_norm_by_moments(mean):
    """As on a GPU: the same numbers and gradients as by layer_norm."""
    torch.manual_seed(0)
    norm, found = ElasticTokenNorm(8), []
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    x, weights = (torch.randn(2, 12, 8) + mean).requires_grad_(), torch.randn(2, 12, 8)
    for out in (norm(x, Span.whole(8)), norm.by_moments(x, norm.weight, norm.bias)):
        gradients = torch.autograd.grad((out * weights).sum(), (x, norm.weight, norm.bias))
        found.append((out, *gradients))
    for a, b in zip(*found):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('mean', [0.0, 100.0, 1000.0])
def test_a_variance_over_ranks_keeps_its_digits(mean, monkeypatch):
    """However far the mean is from zero, in standard deviations."""
    monkeypatch.setattr('torch.distributed.is_initialized', lambda: True)
    monkeypatch.setattr('torch.distributed.get_world_size', lambda: 2)
    monkeypatch.setattr('torch.distributed.nn.functional.all_reduce', lambda t: 2 * t)
    x = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)) + mean
    norm = ElasticBatchNorm2d(3, momentum=1.0, sync=True)
    norm(x, Span.whole(3))
    both = torch.cat([x, x]).double().transpose(0, 1).flatten(1)  # two ranks with the same images
    torch.testing.assert_close(norm.running_var.double(), both.var(1), rtol=1e-5, atol=0)
    torch.testing.assert_close(norm.running_mean.double(), both.mean(1), rtol=1e-6, atol=1e-6)


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = ElasticBatchNorm2d(3), nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.norm(x, Span.whole(3)))


def test_recalibration_is_the_average_of_batch_statistics():
    net = _Net().train()
    batches = [torch.randn(4, 3, 6, 6) * (i + 1) + i for i in range(3)]
    assert recalibrate_bn(net, batches) == 3
    means = torch.stack([b.mean((0, 2, 3)) for b in batches])
    variances = torch.stack([b.transpose(0, 1).flatten(1).var(1) for b in batches])
    torch.testing.assert_close(net.norm.running_mean, means.mean(0))
    torch.testing.assert_close(net.norm.running_var, variances.mean(0))
    assert net.training and net.drop.training and net.norm.training and net.norm.momentum == 0.1


def test_recalibration_without_data_or_with_an_error_changes_nothing():
    net = _Net().eval()
    nn.init.normal_(net.norm.running_mean)
    before = {k: v.clone() for k, v in net.state_dict().items()}

    def broken():
        yield torch.randn(2, 3, 4, 4)
        raise OSError('unreadable picture')

    with pytest.raises(OSError):
        recalibrate_bn(net, broken())
    with pytest.raises(ValueError, match='at least one batch'):
        recalibrate_bn(net, [])
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert not net.norm.training and net.norm.momentum == 0.1


def test_synchronised_statistics_of_two_processes():
    agree(Path(__file__).parent / 'sync_bn_script.py')
