"""The moving average of the weights, in a few operations."""

from __future__ import annotations

import torch
from mmengine.model import ExponentialMovingAverage as Average
from torch import Tensor, nn

from nasvit_mm.registry import MODELS


@MODELS.register_module()
class ExponentialMovingAverage(Average):
    """mmengine's moving average, bit for bit, computed for all tensors of a type at once.

    mmengine launches an operation for every tensor, some thousand in a step of a supernet.
    """

    def update_parameters(self, model: nn.Module) -> None:
        """Take in the weights of a model."""
        if self.steps == 0 or self.steps % self.interval:
            super().update_parameters(model)
            return
        given = model.state_dict() if self.update_buffers else dict(model.named_parameters())
        alike: dict[tuple, tuple[list[Tensor], list[Tensor]]] = {}
        for name, mean in self.avg_parameters.items():
            if mean.dtype.is_floating_point:
                new = given[name].data.to(mean.device)
                means, news = alike.setdefault((mean.device, mean.dtype, new.dtype), ([], []))
                means.append(mean.data)
                news.append(new)
        for means, news in alike.values():
            torch._foreach_lerp_(means, news, self.momentum)
        if not self.update_buffers:
            buffers = list(zip(self.module.buffers(), model.buffers()))
            if buffers:
                torch._foreach_copy_(*map(list, zip(*buffers)))
        self.steps += 1
