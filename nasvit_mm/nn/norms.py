"""Elastic norms: batch norm with shared statistics, the joint token-channel norm, LayerNorm."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.instancenorm import _InstanceNorm

from nasvit_mm.nn.span import Span, take


class ElasticBatchNorm2d(_InstanceNorm):
    """A batch norm in which a subnet uses, and in training updates, its own channels.

    Its base class only matters to ``isinstance``.  It must not be a ``_BatchNorm``: torch's and
    mmengine's ``convert_sync_batchnorm`` replace every instance of that by a SyncBatchNorm, which
    knows no spans (synchronised statistics are an option of this class instead).  And it must be
    one of the norm classes that mmengine's optimizer constructor recognises, so that
    ``norm_decay_mult`` applies.

    Args:
        width: maximum channels.
        eps, momentum: as in ``nn.BatchNorm2d``; ``momentum=None`` is the cumulative average.
        sync: whether training statistics are taken over all ranks of the default process group.
    """

    def __init__(
        self, width: int, eps: float = 1e-5, momentum: float | None = 0.1, sync: bool = False
    ) -> None:
        super().__init__(width, eps, momentum, affine=True, track_running_stats=True)
        self.sync = sync
        self.track = True  # set by frozen_statistics

    def forward(self, x: torch.Tensor, channels: Span) -> torch.Tensor:
        """Map (N, channels.width, H, W) to the same shape."""
        weight, bias = take(self.weight, channels), take(self.bias, channels)
        mean, var = take(self.running_mean, channels), take(self.running_var, channels)
        if not self.training:
            return F.batch_norm(x, mean, var, weight, bias, eps=self.eps)
        factor = self._update_factor()
        if (
            self.sync
            and dist.is_available()
            and dist.is_initialized()
            and (dist.get_world_size() > 1)
        ):
            return self._sync_forward(x, mean, var, weight, bias, factor, channels)
        if not self.track:
            # Copies, not None: checkpointing requires the same number of saved tensors.
            mean, var = mean.clone(), var.clone()
        out = F.batch_norm(x, mean, var, weight, bias, True, factor, self.eps)
        if self.track:
            self._write_back(mean, var, channels)
        return out

    def _update_factor(self) -> float:
        if not self.track:
            return 0.0
        if self.momentum is not None:
            return self.momentum
        self.num_batches_tracked += 1
        return 1.0 / float(self.num_batches_tracked)

    def _write_back(self, mean: torch.Tensor, var: torch.Tensor, channels: Span) -> None:
        """Write updated statistics back where the span wraps, as it is then a copy of them.

        A contiguous span is a view, which was updated in place.
        """
        over = channels.start + channels.width - channels.size
        if over <= 0 or channels.width == channels.size:
            return
        for stored, new in ((self.running_mean, mean), (self.running_var, var)):
            stored[channels.start :] = new[:-over]
            stored[:over] = new[-over:]

    def _sync_forward(
        self,
        x: torch.Tensor,
        mean: torch.Tensor,
        var: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        factor: float,
        channels: Span,
    ) -> torch.Tensor:
        """Normalise by batch statistics over all ranks; gradients flow through the reduction.

        What is summed over ranks is in float64: the mean square less the square of the mean loses
        the digits of a variance that is small beside the mean.
        """
        from torch.distributed.nn.functional import all_reduce

        number = x.numel() // x.shape[1]
        wide = x.float()  # (N, C, H, W)
        own_var, own_mean = (
            t.double() for t in torch.var_mean(wide, (0, 2, 3), correction=0)
        )  # (C,) each
        sums = torch.cat([own_mean, own_var + own_mean**2]) * number  # (2 C,)
        sums = all_reduce(torch.cat([sums, sums.new_full((1,), number)]))  # (2 C + 1,)
        total = sums[-1]
        moments = sums[:-1] / total
        batch_mean, square = moments.float()[: x.shape[1]], moments[x.shape[1] :]
        batch_var = (square - moments[: x.shape[1]] ** 2).clamp_min(0).float()
        if self.track:
            with torch.no_grad():
                mean.lerp_(batch_mean.to(mean), factor)
                var.lerp_((batch_var * (total / (total - 1))).to(var), factor)
            self._write_back(mean, var, channels)
        scale = weight * torch.rsqrt(batch_var + self.eps)
        shift = bias - batch_mean * scale
        return (wide * scale[:, None, None] + shift[:, None, None]).to(x.dtype)

    def extra_repr(self) -> str:
        return f'{self.num_features}, eps={self.eps}, momentum={self.momentum}, sync={self.sync}'


@contextlib.contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Keep running statistics unchanged by the forwards inside (checkpointing's second forward).

    The statistics of torch's own batch norms, in heads, are restored afterwards.
    """
    parts = list(module.modules())
    norms = [m for m in parts if isinstance(m, ElasticBatchNorm2d) and m.track]
    plain = [m for m in parts if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = [(b, b.clone()) for m in plain for b in m.buffers(recurse=False)]
    for norm in norms:
        norm.track = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track = True
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)


class ElasticTokenNorm(nn.GroupNorm):
    """Normalises over all tokens *and* channels of a sample together, then scales per channel.

    There is one mean and one biased variance per sample: it is a GroupNorm of one group, not a
    LayerNorm per token, although NASViT and ElasticViT store it under that name.
    """

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        super().__init__(1, width, eps)

    def forward(self, x: torch.Tensor, channels: Span) -> torch.Tensor:
        """Map (B, L, channels.width) to the same shape."""
        weight, bias = take(self.weight, channels), take(self.bias, channels)
        if x.device.type == 'cuda':
            return self.by_moments(x, weight, bias)
        return torch.addcmul(bias, F.layer_norm(x, x.shape[1:], eps=self.eps), weight)

    def by_moments(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Compute the same with all of a GPU, whose layer_norm has one block work on a sample.

        Args:
            x: (B, L, C).
            weight, bias: (C,).
        """
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        var, mean = torch.var_mean(wide, (1, 2), correction=0, keepdim=True)  # (B, 1, 1)
        scale = weight * torch.rsqrt(var + self.eps)  # (B, 1, C)
        out = torch.addcmul(bias - mean * scale, wide, scale)
        return out if torch.is_autocast_enabled() else out.to(x.dtype)  # as layer_norm has it


class ElasticLayerNorm(nn.LayerNorm):
    """A LayerNorm over the channels of each token."""

    def forward(self, x: torch.Tensor, channels: Span) -> torch.Tensor:
        """Map (..., channels.width) to the same shape."""
        weight, bias = take(self.weight, channels), take(self.bias, channels)
        return F.layer_norm(x, (channels.width,), weight, bias, self.eps)


class ElasticLayerNorm2d(ElasticLayerNorm):
    """A LayerNorm over the channels of each position of an (N, C, H, W) map."""

    def forward(self, x: torch.Tensor, channels: Span) -> torch.Tensor:
        """Map (N, channels.width, H, W) to the same shape."""
        x = super().forward(x.permute(0, 2, 3, 1), channels)  # (N, H, W, C)
        return x.permute(0, 3, 1, 2)  # (N, C, H, W)
