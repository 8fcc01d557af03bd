"""Counting leaves the model as it is, whatever its modules share."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from nasvit_mm.dense import trace


class Shared(nn.Module):
    """Two branches with one convolution, as RTMDet's head; two layers with one weight."""

    def __init__(self, reads_values: bool) -> None:
        super().__init__()
        conv = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3))
        self.first = nn.Sequential(conv, nn.Conv2d(3, 4, 1))
        self.second = nn.Sequential(conv, nn.Conv2d(3, 4, 1))
        self.second[1].weight = self.first[1].weight
        self.reads_values = reads_values

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.reads_values and not bool((x == x).all()):  # not possible on the meta device
            raise AssertionError
        return self.first(x) + self.second(x)


@pytest.mark.parametrize('reads_values', [False, True])
def test_shared_modules(reads_values: bool) -> None:
    torch.manual_seed(0)
    model = Shared(reads_values).train()
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    values = {name: tensor.clone() for name, tensor in tensors.items()}
    assert trace(model, 8) == 2 * 64 * (27 * 3 + 3 * 4)
    now = itertools.chain(model.named_parameters(), model.named_buffers())
    assert all(tensor is tensors[name] and tensor.equal(values[name]) for name, tensor in now)
    assert model.second[1].weight is model.first[1].weight
    assert model.second[0] is model.first[0] and model.training


def test_heads_that_keep_outputs_of_their_last_loss() -> None:
    class Head(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.kept = [super().forward(x)]
            return self.kept[0]

    model = Head(3, 2, 1)
    kept = model(torch.zeros(1, 3, 4, 4))
    assert not kept.is_leaf
    assert trace(model, 4) == 3 * 2 * 16
    assert model.kept[0] is kept
