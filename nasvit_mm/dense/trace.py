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
    """Return the MACs of one image through a module, counted by torch on the meta device.

    No memory is needed, whatever the size, and fused attention, which torch counts as 0 on a CPU,
    is counted.  A module whose code depends on values is run on its own device instead.

    Args:
        module: takes (1, 3, H, W); it is left as it is.
        input_size: side or (height, width).
        forward: ``forward(module, image)`` where the module is called in another way.
    """
    return trace_parts(module, input_size, (), forward)['total']


def trace_parts(
    module: nn.Module,
    input_size: int | tuple[int, int],
    parts: Sequence[str],
    forward: Callable[[nn.Module, Any], Any] | None = None,
) -> dict[str, int]:
    """Count as `trace` does, with the share of some children.

    Args:
        parts: names of children that are called as modules.

    Returns:
        MACs of each part, and of the whole as ``'total'``.
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

        def forward(self, image: torch.Tensor) -> Any:
            return self.module(image) if forward is None else forward(self.module, image)

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
            functional_call(
                Caller(),
                _moved(module, device),
                (torch.zeros(1, 3, *size, device=device),),
                tie_weights=False,
            )
    finally:
        for hook in hooks:
            hook.remove()
    return {**counts, 'total': counter.get_total_flops() // 2}


def _moved(module: nn.Module, device: torch.device) -> dict[str, torch.Tensor]:
    """Return the module's tensors on a device, one name each.

    A module that two others share would be swapped twice by torch, and be left with the first
    swap's tensors: every module is entered once.
    """
    moved: dict[int, torch.Tensor] = {}
    there = {}
    for prefix, owner in module.named_modules(prefix='module'):  # shared ones under one name
        own = itertools.chain(
            owner.named_parameters(recurse=False, remove_duplicate=False),
            owner.named_buffers(recurse=False, remove_duplicate=False),
        )
        for name, tensor in own:
            # A tensor that several modules have stays one.
            there[f'{prefix}.{name}'] = moved.setdefault(id(tensor), tensor.detach().to(device))
    return there
