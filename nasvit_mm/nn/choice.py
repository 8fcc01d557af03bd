"""Modules that an architecture chooses between, without shared weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn


class ElasticChoice(nn.ModuleDict):
    """Private modules, one for every value of a choice; the architecture's value selects one.

    The others take no part in the forward and get no gradient (None, not zero), so that an
    optimizer with momentum or weight decay leaves them alone.  A fixed architecture builds only its
    own.

    Args:
        values: values of the choice.
        make: makes the module for a value.
    """

    def __init__(self, values: Iterable[int], make: Callable[[int], nn.Module]) -> None:
        super().__init__({str(value): make(value) for value in values})

    def __getitem__(self, value: int) -> nn.Module:
        return super().__getitem__(str(value))

    @torch.no_grad()
    def imitate(self, value: int | str, other: int | str) -> None:
        """Give the module of a value the weights of another value's.

        A module that knows how does so by its own method ``imitate(other)``; else the leading axis
        is cut, or repeated until it is long enough.
        """
        module, model = super().__getitem__(str(value)), super().__getitem__(str(other))
        if hasattr(module, 'imitate'):
            module.imitate(model)
            return
        for tensor, source in zip(module.parameters(), model.parameters()):
            rows = torch.arange(tensor.shape[0], device=source.device) % source.shape[0]
            tensor.copy_(source[rows])
