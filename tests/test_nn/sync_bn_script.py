"""Two gloo processes: synchronised batch norm of half-batches is batch norm of the joined batch."""

import torch
import torch.distributed as dist
from torch import nn

from nasvit_mm.nn import ElasticBatchNorm2d, Span
from tests.commands import as_rank


def main(rank: int) -> None:
    span = Span(0, 3, 5)
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(6, 3, 4, 4, generator=generator) * 3 + 1
    weights = torch.randn(6, 3, 4, 4, generator=generator)
    parts = [slice(0, 2), slice(2, 6)]  # unequal halves

    plain = nn.BatchNorm2d(3)
    whole = data.clone().requires_grad_()
    (plain(whole) * weights).sum().backward()

    ours = ElasticBatchNorm2d(5, sync=True)
    mine = data[parts[rank]].clone().requires_grad_()
    out = ours(mine, span)
    (out * weights[parts[rank]]).sum().backward()
    dist.all_reduce(ours.weight.grad)
    with torch.no_grad():
        torch.testing.assert_close(out, plain.train()(data)[parts[rank]], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mine.grad, whole.grad[parts[rank]], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.weight.grad[:3], plain.weight.grad, rtol=1e-4, atol=1e-4)
    assert not ours.weight.grad[3:].any() and not ours.running_mean[3:].any()
    fresh = nn.BatchNorm2d(3)
    fresh(data)
    torch.testing.assert_close(ours.running_mean[:3], fresh.running_mean)
    torch.testing.assert_close(ours.running_var[:3], fresh.running_var)


as_rank(main)
