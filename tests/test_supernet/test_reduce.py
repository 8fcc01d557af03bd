"""What is reduced over processes, by processes that take turns in this one."""

from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from nasvit_mm.supernet import reduce
from nasvit_mm.supernet.gradients import read_numbers
from nasvit_mm.supernet.reduce import MeanGradients
from tests.test_supernet.test_model import batch, build

RANKS = 3


class Processes:
    """Stands in for torch.distributed: `sum` ends the reductions that all have begun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[Tensor] = []
        monkeypatch.setattr(reduce, 'get_world_size', lambda: RANKS)
        monkeypatch.setattr(torch.distributed, 'all_reduce', self.all_reduce)

    def all_reduce(self, flat: Tensor, async_op: bool) -> Processes:
        self.begun.append(flat)
        return self

    def wait(self) -> None:
        pass

    def sum(self) -> None:
        one = len(self.begun) // RANKS
        for same in zip(*(self.begun[i * one : (i + 1) * one] for i in range(RANKS)), strict=True):
            assert len({flat.shape for flat in same}) == 1
            for flat, total in zip(same, [sum(same)] * RANKS):
                flat.copy_(total.clone())


def parameters() -> list[nn.Parameter]:
    torch.manual_seed(0)
    shapes = [(4, 3), (5,), (2, 3, 2, 2), (7,), (6,)]
    out = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    out[2] = nn.Parameter(out[2].data.to(memory_format=torch.channels_last))
    out[3].requires_grad_(False)
    return out


@pytest.mark.parametrize('bucket', [64 * 2**20, 40])
def test_absent_gradients(monkeypatch, bucket):
    """Processes that have reached other parameters issue the same reductions."""
    monkeypatch.setattr(reduce, 'BUCKET', bucket)
    like, processes = parameters(), Processes(monkeypatch)
    reached = [(0, 2), (0, 1), (0, 2)]  # nobody reaches the last one
    gradients = [
        [torch.randn_like(p) if i in places else None for i, p in enumerate(like)]
        for places in reached
    ]
    means = [MeanGradients(own, like) for own in gradients]
    assert len(processes.begun) == RANKS * (1 if bucket > 40 else 4)
    processes.sum()
    for mean in means:
        mean.wait()
        (shares,) = read_numbers(mean.reached)
        for i, found in enumerate(mean.settle(shares)):
            given = [own[i] for own in gradients if own[i] is not None]
            assert (found is None) == (not given), i
            if given:
                torch.testing.assert_close(found, sum(given) / RANKS)
                assert found.stride() == like[i].stride()


def test_one_process_reduces_nothing():
    like = parameters()
    gradients = [None, *(torch.randn_like(p) for p in like[1:])]
    mean = MeanGradients(gradients, like)
    assert all(a is b for a, b in zip(mean.wait(), gradients)) and not mean.reached
    assert mean.settle([])[0] is None


def test_the_largest_is_reduced_while_the_next_one_runs(monkeypatch):
    model, processes, begun = build('nasvit'), Processes(monkeypatch), []
    set_arch = model.set_arch
    monkeypatch.setattr(
        model, 'set_arch', lambda *a: (begun.append(len(processes.begun)), set_arch(*a))
    )
    model.train_step(batch(), OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1)))
    assert begun[:2] == [0, 1] and len(processes.begun) == 2
