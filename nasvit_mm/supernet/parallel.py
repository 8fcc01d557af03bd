"""A supernet distributed over several processes."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from mmengine.dist import broadcast
from torch import nn

from nasvit_mm.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class SupernetParallel(nn.Module):
    """Wraps a supernet for several processes, like DistributedDataParallel for other models.

    A supernet's step averages gradients over the processes itself, once for the largest network and
    once for the others.  torch's wrapper would do it in every backward, and needs to know which
    parameters a subnet leaves out; mmengine's ignores the model's own step and would train the
    largest network alone.

    Args:
        module: the supernet; all processes get the weights of the first one.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        with torch.no_grad():
            for tensor in chain(module.parameters(), module.buffers()):
                broadcast(tensor, src=0)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, torch.Tensor]:
        return self.module.train_step(data, optim_wrapper)

    def val_step(self, data: Any) -> list:
        return self.module.val_step(data)

    def test_step(self, data: Any) -> list:
        return self.module.test_step(data)
