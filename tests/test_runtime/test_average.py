"""The moving average is mmengine's to the last bit."""

from __future__ import annotations

import pytest
import torch
from mmengine.model import ExponentialMovingAverage as Theirs
from torch import nn

from nasvit_mm.registry import MODELS


@pytest.mark.parametrize('update_buffers', [False, True])
@pytest.mark.parametrize('interval', [1, 2])
def test_it_is_that_of_mmengine(interval: int, update_buffers: bool) -> None:
    """Weights, statistics and counters, of several types."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2).double())
    options = dict(momentum=0.3, interval=interval, update_buffers=update_buffers)
    theirs = Theirs(net, **options)
    ours = MODELS.build(dict(type='nasvit_mm.ExponentialMovingAverage', **options, model=net))
    for _ in range(4):
        net[0](torch.randn(2, 3, 8, 8)), net[1](torch.randn(2, 4, 6, 6))
        with torch.no_grad():
            for p in net.parameters():
                p.add_(torch.randn_like(p))
        theirs.update_parameters(net), ours.update_parameters(net)
        for (name, a), b in zip(theirs.state_dict().items(), ours.state_dict().values()):
            assert torch.equal(a, b), name
    assert not torch.equal(ours.module[0].weight, net[0].weight)
