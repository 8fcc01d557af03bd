"""What a step does besides forward and backward takes a few launches, however many tensors."""

from __future__ import annotations

import pytest
import torch

from nasvit_mm.runtime import ExponentialMovingAverage
from nasvit_mm.supernet import project_conflict
from nasvit_mm.supernet.conflict import sum_gradients
from nasvit_mm.supernet.gradients import clip_by_weights, total_norm
from tests.test_gpu.fake import GPU, Meter

SHAPES = [(8, 4, 3, 3), (8,), (16, 8), (4, 16)] * 25


def gradients() -> list[torch.Tensor]:
    return [torch.randn(shape, device=GPU) for shape in SHAPES]


def launches(meter: Meter) -> int:
    return sum(meter.launches.values())


@pytest.mark.parametrize('scope', ['tensor', 'global'])
def test_a_projection_takes_three_launches_a_tensor(scope: str, meter: Meter) -> None:
    """Two products, and the subnets' gradient times its factor."""
    sub, sup = gradients(), gradients()
    meter.clear()
    project_conflict(sub, sup, scope=scope, inplace=True)
    assert launches(meter) <= 3 * len(SHAPES) + 20


def test_a_sum_and_a_norm_take_a_few(meter: Meter) -> None:
    sub, sup = gradients(), gradients()
    meter.clear()
    sum_gradients(sub, sup, inplace=True)
    total_norm(sub)
    assert launches(meter) <= 20


def test_adaptive_clipping_takes_four_launches_a_tensor(meter: Meter) -> None:
    """Two norms, their ratio, and the gradient times it."""
    parameters = [torch.nn.Parameter(g) for g in gradients()]
    for p in parameters:
        p.grad = torch.randn_like(p)
    meter.clear()
    clip_by_weights(parameters, 0.1)
    assert launches(meter) <= 4 * len(SHAPES) + 20


@pytest.mark.parametrize('update_buffers', [False, True])
def test_a_moving_average_takes_a_few(update_buffers: bool, meter: Meter) -> None:
    net = torch.nn.ModuleList(torch.nn.BatchNorm2d(8) for _ in range(50)).to(GPU)
    average = ExponentialMovingAverage(net, update_buffers=update_buffers)
    del average.steps  # a fake counter cannot say that it has begun
    average.steps = 1
    meter.clear()
    average.update_parameters(net)
    assert launches(meter) <= 20
