"""The traced count of any module: what the closed forms are tested against."""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nasvit_mm.backbones import image_channels
from nasvit_mm.dense.formulas import formulas, visible

if TYPE_CHECKING:
    import torch
    from torch import nn

    Forward = Callable[[nn.Module, Any], Any]


class Traced(NamedTuple):
    """What a trace finds.

    Attributes:
        macs: MACs of each part that was asked for, and of the whole as ``'total'``.
        idle: dotted names of the layers with weights whose weights nothing read.
    """

    macs: dict[str, int]
    idle: list[str]


def trace(
    module: nn.Module, input_size: int | tuple[int, int], forward: Forward | None = None
) -> int:
    """Return the MACs of one image through a module, counted by torch on the meta device.

    No memory is needed, whatever the size, and fused attention, which torch counts as 0 on a CPU,
    is counted.  A module whose code depends on values is run on its own device instead.

    Args:
        module: takes (1, 3, H, W); a copy of it runs, so that it is left as it is.
        input_size: side or (height, width).
        forward: ``forward(module, image)`` where the module is called in another way.
    """
    return trace_parts(module, input_size, (), forward).macs['total']


def trace_parts(
    module: nn.Module,
    input_size: int | tuple[int, int],
    parts: Sequence[str],
    forward: Forward | None = None,
) -> Traced:
    """Count as `trace` does, with the share of some children, and find the layers that are idle.

    Args:
        parts: names of children that are called as modules.
    """
    import torch

    size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    fastpath = torch.backends.mha.get_fastpath_enabled()
    try:
        # One kernel for the whole of nn.MultiheadAttention would hide its products.
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            return _run(module, size, parts, forward, torch.device('meta'))
        except (RuntimeError, NotImplementedError) as error:
            if not without_values(error):
                raise
        # Its code looks at values, which tensors on the meta device do not have: for real, then.
        device = next((p.device for p in module.parameters()), torch.device('cpu'))
        return _run(module, size, parts, forward, device)
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)


def without_values(error: Exception) -> bool:
    """Return whether an error says that tensors of the meta device have no values."""
    return 'meta' in str(error).lower()


def left_by_losses(model: nn.Module) -> dict[int, torch.Tensor]:
    """Return by their ids, without gradients, the outputs that heads keep of their last loss, as
    those with masks do; copies of a model cannot be made of them.
    """
    import torch

    found: dict[int, torch.Tensor] = {}

    def look(value: Any) -> None:
        if torch.is_tensor(value):
            if not value.is_leaf:
                found[id(value)] = value.detach()
        elif isinstance(value, dict):
            look(list(value.values()))
        elif isinstance(value, (list, tuple)):
            for item in value:
                look(item)

    for part in model.modules():
        look({k: v for k, v in vars(part).items() if not k.startswith(('_parameters', '_modules'))})
    return found


def copied(module: nn.Module, device: torch.device) -> nn.Module:
    """Return a copy of a module in evaluation mode, with tensors of its own on a device.

    What modules share, layers or single tensors, their copies share.  What heads keep of their last
    loss does not stand in the way.
    """
    from torch import nn

    there: dict[int, Any] = {
        key: tensor.to(device) for key, tensor in left_by_losses(module).items()
    }
    for tensor in itertools.chain(module.parameters(), module.buffers()):
        moved = tensor.detach().to(device, copy=True)
        is_parameter = isinstance(tensor, nn.Parameter)
        there[id(tensor)] = nn.Parameter(moved, requires_grad=False) if is_parameter else moved
    found = copy.deepcopy(module, there)
    found.eval()  # which of some models returns nothing
    return found


def _run(
    module: nn.Module,
    size: tuple[int, int],
    parts: Sequence[str],
    forward: Forward | None,
    device: torch.device,
) -> Traced:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    module = copied(module, device)
    counts, more = dict.fromkeys(parts, 0), [0]

    def counted() -> int:
        return counter.get_total_flops() // 2 + more[0]

    def watch(name: str, child: nn.Module) -> None:
        def add(sign: int) -> None:
            counts[name] += sign * counted()

        child.register_forward_pre_hook(lambda *_: add(-1))
        child.register_forward_hook(lambda *_: add(1))

    def add(macs: int) -> None:
        more[0] += macs

    for name in parts:
        watch(name, getattr(module, name))
    counter = FlopCounterMode(display=False, custom_mapping=formulas())
    # Products that the counter sees, on whatever device.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), visible(add), _read_weights(module) as idle:
        image = torch.zeros(1, image_channels(module), *size, device=device)
        with counter:
            module(image) if forward is None else forward(module, image)
    return Traced({**counts, 'total': counted()}, idle())


@contextlib.contextmanager
def _read_weights(module: nn.Module) -> Iterator[Callable[[], list[str]]]:
    """Watch who reads weights, in this context; give what says which layers' are left.

    Layers are those with a weight of two or more dimensions, except embeddings, which multiply
    nothing.  A weight is read by any function of torch that takes it, called by its layer or, as
    those of nn.MultiheadAttention's projections, by another.
    """
    from torch import nn
    from torch.overrides import TorchFunctionMode

    names = {
        id(weight): name
        for name, layer in module.named_modules()
        if not isinstance(layer, nn.Embedding)
        for which, weight in layer.named_parameters(recurse=False)
        if which.endswith('weight') and weight.ndim > 1
    }
    read: set[int] = set()

    class Watch(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
            if function.__name__ != '__get__':  # of a shape, a device
                for value in itertools.chain(args, (kwargs or {}).values()):
                    for one in value if isinstance(value, (list, tuple)) else (value,):
                        if id(one) in names:
                            read.add(id(one))
            return function(*args, **(kwargs or {}))

    with Watch():
        yield lambda: [name for key, name in names.items() if key not in read]
