"""A cost is a source: a number known of every candidate before anything is built.

The built-in ones are MACs and parameters (``counted.py``), milliseconds of a table, and a function
of one's own.  Another one is a class in any module that the config's ``custom_imports`` names::

    @COSTS.register_module()
    class Energy(CostSource):
        unit = 'mJ'

        def __init__(self, *args, per_mac):
            super().__init__(*args)
            self.per_mac = per_mac

        def identity(self):
            return dict(per_mac=self.per_mac)

        def __call__(self, genes):
            return self.per_mac * self.searched.task.total(genes, self.searched.input_size).macs

    costs = dict(energy=dict(type='Energy', per_mac=3e-9))  # in the config
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from mmengine.logging import print_log

from nasvit_mm.config import type_name
from nasvit_mm.cost import WindowSampler
from nasvit_mm.dense import SearchedModel, Size
from nasvit_mm.deploy import LatencyTable
from nasvit_mm.errors import UsageError, raised, unknown
from nasvit_mm.registry import COSTS, registered
from nasvit_mm.spaces import Space


class Searched(NamedTuple):
    """What a cost may depend on besides a candidate's genes.

    Attributes:
        space: what is searched.
        task: the dense model around the backbone; None where a classifier is searched.
        input_size: (height, width) at which costs count; None: each architecture's resolution.
    """

    space: Space
    task: SearchedModel | None = None
    input_size: Size | None = None


class CostSource:
    """Base: a cost of candidates, for objectives and constraints.

    Args:
        name: by which objectives and constraints name it.
        searched: space, dense model and input size.

    Attributes:
        unit: in which it counts, shown beside its values.
        slow: whether it takes long: it is then told only of candidates that meet all other
            constraints, and a search for feasible ones ends after fewer draws.
    """

    unit: str = ''
    slow: bool = False
    draws_windows: ClassVar[bool] = False  # whether `window` gives a sampler

    def __init__(self, name: str, searched: Searched) -> None:
        self.name, self.searched = name, searched

    def identity(self) -> Mapping[str, Any]:
        """Return what the cost depends on besides its type, JSON types: an archive is of another
        search where it differs.
        """
        return {}

    def __call__(self, genes: np.ndarray) -> np.ndarray:
        """Return the finite costs (n,) of a gene matrix (n, num_genes)."""
        raise NotImplementedError

    def window(self, low: float, high: float) -> WindowSampler:
        """Return a sampler that draws candidates between two bounds directly.

        Raises:
            ValueError: nothing lies between them.
        """
        raise NotImplementedError

    def show(self, value: float) -> str:
        """Write a value for people, e.g. ``71.7 ms``."""
        return f'{value:.6g} {self.unit}'.rstrip()

    @property
    def axis(self) -> tuple[float, str]:
        """Return what values are divided by where they are drawn, and the unit that this gives."""
        return 1.0, self.unit


@COSTS.register_module()
class LatencyCost(CostSource):
    """Milliseconds of the whole dense model by a table of blocks measured on the user's device, by
    PyTorch or by a runtime at a precision.

    A table that does not predict its device is taken with a warning that says so.

    Args:
        table: a :class:`LatencyTable` or its file, written by ``tools/benchmark.py CONFIG
            --build-table FILE``.

    Raises:
        UsageError: no such file, a table of another model, or a search without a task.
    """

    unit, slow = 'ms', True

    def __init__(self, name: str, searched: Searched, table: str | Path | LatencyTable) -> None:
        super().__init__(name, searched)
        if isinstance(table, (str, Path)):
            if searched.task is None or searched.input_size is None:
                raise UsageError(
                    f'{name} is of a task at its input_size: the config lacks one of them'
                )
            path = table
            table = LatencyTable.load(path, searched.task, searched.input_size)
            if table.fault:
                text = f'{name}: the latency table {path}: {table.fault}'
                print_log(text, 'current', logging.WARNING)
        self.table = table

    def identity(self) -> dict[str, Any]:
        return dict(self.table.about, digest=self.table.digest)

    def __call__(self, genes: np.ndarray) -> np.ndarray:
        return self.table.milliseconds(genes)


@COSTS.register_module()
class FunctionCost(CostSource):
    """Tell a cost by a function of the values behind the genes.

    The identity holds the function's name, not its code; resuming compares every cost that the
    archive holds.

    Args:
        function: ``'module:name'``, or the function: ``{field: (n, positions) or (n,)}``, as
            ``Space.columns`` gives them, to (n,).
        unit, slow: see :class:`CostSource`.
    """

    def __init__(
        self,
        name: str,
        searched: Searched,
        function: str | Callable[[dict[str, np.ndarray]], Any],
        unit: str = '',
        slow: bool = False,
    ) -> None:
        super().__init__(name, searched)
        self.function, self.unit, self.slow = _found(name, function), unit, slow

    def identity(self) -> dict[str, str]:
        names = (getattr(self.function, key, '') for key in ('__module__', '__qualname__'))
        return dict(function=':'.join(names))

    def __call__(self, genes: np.ndarray) -> np.ndarray:
        return self.function(self.searched.space.columns(genes))


def build_cost(name: str, given: Any, searched: Searched) -> CostSource:
    """Build a source out of ``dict(type=..., ...)``; a function becomes a :class:`FunctionCost`.

    Raises:
        UsageError: names the cost, and what is wrong with its type or arguments.
    """
    if isinstance(given, CostSource):
        return given
    if callable(given):
        return FunctionCost(name, searched, given)
    if not isinstance(given, Mapping):
        raise UsageError(f'costs.{name} = {given!r}, expected dict(type=name, ...) or a function')
    kind = registered(COSTS, type_name(given))
    if kind is None:
        raise UsageError(
            unknown(f'costs.{name} type', given.get('type'), sorted(COSTS.module_dict))
            + '; custom_imports names the module of one of your own'
        )
    try:
        source = kind(name, searched, **{k: v for k, v in given.items() if k != 'type'})
    except UsageError:
        raise
    except TypeError as error:
        raise UsageError(f'costs.{name} ({given["type"]}): {error}') from error
    except Exception as error:
        raise UsageError(
            f'costs.{name} ({given["type"]}) cannot be built: {raised(error)}'
        ) from error
    if not isinstance(source, CostSource):
        raise UsageError(f'costs.{name}: {given["type"]} is no subclass of CostSource')
    return source


def _found(name: str, function: Any) -> Callable[[dict[str, np.ndarray]], Any]:
    if isinstance(function, str):
        module, _, attribute = function.partition(':')
        try:
            function = getattr(import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(
                f"costs.{name}: function = {function!r}, expected 'module:name' ({error})"
            ) from error
        except Exception as error:  # the module runs, and may raise anything
            raise UsageError(
                f'costs.{name}: the module of function = {function!r} raises {raised(error)}'
            ) from error
    if not callable(function):
        raise UsageError(f"costs.{name}: function = {function!r}, expected 'module:name'")
    return function
