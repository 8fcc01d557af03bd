"""What makes a Python function behave as a compiled kernel does: no autograd, no autocast."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate an operation so that it records no gradient and ignores autocast.

    mmcv calls the compiled operations inside ``torch.autocast``, which does not reach into them;
    it would change the products of Python ones.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        device = next(value.device.type for value in args if isinstance(value, Tensor))
        mixed = device in ('cpu', 'cuda') and torch.is_autocast_enabled(device)
        with torch.no_grad():
            if not mixed:
                return function(*args, **kwargs)
            with torch.autocast(device, enabled=False):
                return function(*args, **kwargs)

    return run


def at_least_float32(*tensors: Tensor) -> list[Tensor]:
    """Convert half and bfloat16 to float32: torchvision lacks some kernels for them."""
    return [x.float() if x.element_size() < 4 else x for x in tensors]


def gradients(function: Callable[..., Tensor], inputs: list[Tensor], grad: Tensor) -> list[Tensor]:
    """Return the gradients of every input of a differentiable function, by autograd.

    Args:
        function: maps the inputs to a tensor of the shape of ``grad``.
    """
    with torch.enable_grad():
        inputs = [x.detach().requires_grad_() for x in inputs]
        return list(torch.autograd.grad(function(*inputs), inputs, grad))
