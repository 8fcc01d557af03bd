"""BN recalibration: statistics of one subnet from real images."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from nasvit_mm.nn.norms import ElasticBatchNorm2d


def batch_norms(model: nn.Module) -> list[nn.Module]:
    """Return all batch norms in a model, elastic or plain."""
    return [
        m
        for m in model.modules()
        if isinstance(m, (ElasticBatchNorm2d, nn.modules.batchnorm._BatchNorm))
    ]


@torch.no_grad()
def recalibrate_bn(
    model: nn.Module,
    batches: Iterable,
    forward: Callable[[nn.Module, object], object] | None = None,
) -> int:
    """Replace running statistics by the average over ``batches``, in place.

    The statistics are reset and become the mean of the batch means and of the unbiased batch
    variances; everything but the batch norms stays in eval mode.  In a supernet only the active
    architecture's channels are filled and the rest stay reset, so recalibrate an extracted subnet
    or keep a copy.  (Source: the NASViT release's protocol: 64 training batches.)

    Args:
        batches: inputs of the forward, one at a time.
        forward: ``forward(model, batch)``; by default ``model(batch)``.

    Returns:
        Number of batches seen.  Training flags are restored; on an exception the statistics too.

    Raises:
        ValueError: there is no batch.
    """
    norms = batch_norms(model)
    modes = {m: m.training for m in model.modules()}
    momenta = [m.momentum for m in norms]
    devices = [m.num_batches_tracked.device for m in norms]
    before = [{k: b.clone() for k, b in m.named_buffers()} for m in norms]
    seen = 0
    try:
        model.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.training = True  # not train(): a backbone with norm_eval would undo it
            # The average asks it for a number in every forward, which on a GPU waits for all work.
            norm.num_batches_tracked = norm.num_batches_tracked.cpu()
        for batch in batches:
            model(batch) if forward is None else forward(model, batch)
            seen += 1
        if not seen:
            raise ValueError('BN recalibration needs at least one batch, got none')
    except BaseException:
        for norm, buffers in zip(norms, before):
            for name, value in buffers.items():
                getattr(norm, name).copy_(value)
        raise
    finally:
        for norm, momentum, device in zip(norms, momenta, devices):
            norm.momentum = momentum
            norm.num_batches_tracked = norm.num_batches_tracked.to(device)
        for module, mode in modes.items():
            module.training = mode
    return seen
