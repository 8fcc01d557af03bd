"""The traced count of any module: what the closed forms are tested against."""
from __future__ import annotations

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
    from torch.func import functional_call
    from torch.utils.flop_counter import FlopCounterMode
    height, width = (input_size, input_size) if isinstance(input_size, int) else input_size
    tensors = {k: v.to('meta') for k, v in [*module.named_parameters(), *module.named_buffers()]}
    picture = torch.empty(1, 3, height, width, device='meta')
    caller = module if forward is None else _Caller(module, forward)
    if forward is not None:
        tensors = {f'module.{k}': v for k, v in tensors.items()}
    flags = [(m, m.training) for m in module.modules()]
    try:
        module.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            functional_call(caller, tensors, (picture,))
    finally:
        for m, training in flags:
            m.training = training
    return counter.get_total_flops() // 2


def _Caller(module: nn.Module, forward: Callable) -> nn.Module:  # noqa: N802 - makes a class
    from torch import nn

    class Caller(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, picture: Any) -> Any:
            return forward(self.module, picture)

    return Caller()
