"""``randomness.deterministic`` trains on a GPU that is not there: no kernel of it is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from mmseg.evaluation.metrics import IoUMetric

from nasvit_mm.compat import ops
from nasvit_mm.nn import resize_table
from nasvit_mm.runtime import SeedIterations
from tests.families import tiny
from tests.test_gpu.fake import GPU
from tests.test_gpu.test_networks import BEYOND, built, forward_and_backward

RESIZES = [('vitas_deit_small', 'auto'), ('elasticvit', 'global')]  # positions, table


@pytest.fixture(autouse=True)
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def test_a_table_is_resized_to_the_same_numbers() -> None:
    table = torch.randn(1, 3, 5, 7, requires_grad=True)
    found, expected = (
        resize_table(table, (9, 4)),
        F.interpolate(table, (9, 4), mode='bicubic', align_corners=False),
    )
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    gradients = [torch.autograd.grad((out * weights).sum(), table) for out in (found, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(('space', 'mode'), RESIZES)
def test_positions_are_resized(space: str, mode: str, meter) -> None:
    net = built(space, tiny(space), attention=mode).train().to(GPU)
    forward_and_backward(net, BEYOND, 'fp32')


def test_regions_are_aligned(meter, monkeypatch) -> None:
    module = sys.modules['torchvision.ops.roi_align']  # the package has a function of that name
    # It compiles its deterministic form, where there is a GPU.
    monkeypatch.setattr(module, 'is_compile_supported', lambda device: True)
    monkeypatch.setattr(module, '_roi_align', module._roi_align.__wrapped__)
    rois, output = torch.zeros(2, 5, device=GPU), torch.ones(2, 3, 2, 2, device=GPU)
    none, gradient = torch.empty(0, device=GPU), torch.zeros(1, 3, 8, 8, device=GPU)
    ops.roi_align_backward(output, rois, none, none, gradient, 2, 2, 1.0, 2, 1, True)


def test_regions_give_the_same_gradient() -> None:
    """Whether by torchvision's kernel or by its public function."""
    rois = torch.tensor([[0, 0.5, 1.0, 6.0, 5.5], [0, 2.0, 2.0, 7.0, 7.0]])
    output, none, found = torch.randn(2, 3, 2, 2), torch.empty(0), []
    for on in (True, False):
        torch.use_deterministic_algorithms(on)
        found.append(torch.zeros(1, 3, 8, 8))
        ops.roi_align_backward(output, rois, none, none, found[-1], 2, 2, 1.0, 2, 1, True)
    torch.testing.assert_close(*found)


def test_a_validation_may_count_by_histograms(meter) -> None:
    labels, hook = torch.zeros(4, 4, dtype=torch.long, device=GPU), SeedIterations()
    with pytest.raises(RuntimeError, match='histc does not have a deterministic'):
        IoUMetric.intersect_and_union(labels, labels.clone(), 3, 255)
    hook.before_val(None)
    IoUMetric.intersect_and_union(labels, labels.clone(), 3, 255)
    hook.after_val(None)
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
