"""The traced count of any module: what the closed forms are tested against."""
from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def trace(module: nn.Module, input_size: int | tuple[int, int],
          forward: Callable[[nn.Module, Any], Any] | None = None) -> int:
    """Multiply-adds of one picture through a module, counted by torch on the meta device.

    No memory is needed, whatever the size, and fused attention, which torch counts as 0 on a CPU,
    is counted.

    Args:
        module: takes (1, 3, H, W); its weights are not touched.
        input_size: side or (height, width).
        forward: ``forward(module, picture)`` where the module is called in another way.
    """
    import torch
    from torch import nn
    from torch.func import functional_call
    from torch.utils.flop_counter import FlopCounterMode

    class Caller(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, picture: torch.Tensor) -> Any:
            return self.module(picture) if forward is None else forward(self.module, picture)

    height, width = (input_size, input_size) if isinstance(input_size, int) else input_size
    tensors = itertools.chain(module.named_parameters(), module.named_buffers())
    on_meta = {f'module.{name}': tensor.to('meta') for name, tensor in tensors}
    picture = torch.empty(1, 3, height, width, device='meta')
    flags = [(m, m.training) for m in module.modules()]
    try:
        module.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            functional_call(Caller(), on_meta, (picture,))
    finally:
        for m, training in flags:
            m.training = training
    return counter.get_total_flops() // 2
