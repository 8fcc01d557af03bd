"""Modules that an architecture chooses between, without shared weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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
