"""The traced count of any module: what the closed forms are tested against."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn


def trace(
    module: nn.Module,
    input_size: int | tuple[int, int],
    forward: Callable[[nn.Module, Any], Any] | None = None,
) -> int:
    """Multiply-adds of one picture through a module, counted by torch on the meta device.

    No memory is needed, whatever the size, and fused attention, which torch counts as 0 on a CPU,
    is counted.  A module whose code depends on values is run on its own device instead.

    Args:
        module: takes (1, 3, H, W); its weights are not touched.
        input_size: side or (height, width).
        forward: ``forward(module, picture)`` where the module is called in another way.
    """
    return trace_parts(module, input_size, (), forward)['total']


def trace_parts(
    module: nn.Module,
    input_size: int | tuple[int, int],
    parts: Sequence[str],
    forward: Callable[[nn.Module, Any], Any] | None = None,
) -> dict[str, int]:
    """As `trace`, with the share of some children.

    Args:
        parts: names of children that are called as modules.

    Returns:
        Multiply-adds of each part, and of the whole as ``'total'``.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    flags = [(m, m.training) for m in module.modules()]
    fastpath = torch.backends.mha.get_fastpath_enabled()
    try:
        module.eval()
        # One kernel for the whole of nn.MultiheadAttention would hide its products.
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            return _run(module, size, parts, forward, torch.device('meta'))
        except (RuntimeError, NotImplementedError) as error:
            if 'meta' not in str(error).lower():
                raise
        # Its code looks at values, which tensors on the meta device do not have: for real, then.
        device = next((p.device for p in module.parameters()), torch.device('cpu'))
        with sdpa_kernel(SDPBackend.MATH):  # products that the counter sees
            return _run(module, size, parts, forward, device)
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
        for m, training in flags:
            m.training = training


def _run(
    module: nn.Module,
    size: tuple[int, int],
    parts: Sequence[str],
    forward: Callable[[nn.Module, Any], Any] | None,
    device: torch.device,
) -> dict[str, int]:
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

    tensors = itertools.chain(module.named_parameters(), module.named_buffers())
    there = {f'module.{name}': tensor.to(device) for name, tensor in tensors}
    counts, hooks = dict.fromkeys(parts, 0), []

    def watch(name: str, child: nn.Module) -> None:
        def add(sign: int) -> None:
            counts[name] += sign * counter.get_total_flops() // 2

        hooks.append(child.register_forward_pre_hook(lambda *_: add(-1)))
        hooks.append(child.register_forward_hook(lambda *_: add(1)))

    try:
        for name in parts:
            watch(name, getattr(module, name))
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            functional_call(Caller(), there, (torch.zeros(1, 3, *size, device=device),))
    finally:
        for hook in hooks:
            hook.remove()
    return {**counts, 'total': counter.get_total_flops() // 2}
