"""The costs of a search by name, for thousands of candidates in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from nasvit_mm.cost import Cost
from nasvit_mm.errors import UsageError, raised
from nasvit_mm.search.problem.counted import FORMS, UNITS, Counted, CountedCost
from nasvit_mm.search.problem.sources import CostSource, Searched, build_cost

PROBES = 256  # random candidates that tell what the space reaches
# Names of costs that need a source, and how to get one.
NEEDED = {
    'latency': 'needs a table of your device: latency = FILE, which '
    'tools/benchmark.py CONFIG --build-table FILE writes'
}


class Costs:
    """Sources of costs by name: those of the config, MACs and parameters.

    Args:
        searched: space, dense model and input size.
        own: name -> ``dict(type=...)``, a function, or a :class:`CostSource`.

    Raises:
        UsageError: a source that cannot be built, or has the name of a built-in cost.
    """

    def __init__(self, searched: Searched, own: Mapping[str, Any] | None = None) -> None:
        self.searched, self.space = searched, searched.space
        self.own: dict[str, CostSource] = {}
        for name, given in (own or {}).items():
            if not isinstance(name, str) or not name:
                raise UsageError(f'costs: {name!r} is no name')
            if Counted.read(name, True) is not None:
                raise UsageError(f'costs.{name}: {name} is a built-in cost, call yours otherwise')
            self.own[name] = build_cost(name, given, searched)
        self._counted: dict[str, CountedCost] = {}

    def find(self, name: str) -> CostSource | None:
        """Return the source of a name; None where it names no cost, but a metric to measure.

        Raises:
            UsageError: what looks like a cost and is none, or lacks its source.
        """
        if name in self.own or name in self._counted:
            return self.source(name)
        counted = Counted.read(name, self.searched.task is not None)
        if counted is not None:
            self._counted[name] = CountedCost(name, self.searched, counted)
            return self._counted[name]
        if name in NEEDED:
            raise UsageError(f'the metric {name!r} {NEEDED[name]}')
        if name.partition('@')[0].split('.')[-1] in (*UNITS, *NEEDED):
            raise UsageError(
                f'metric {name!r} is no cost, whose names are '
                + ', or '.join([FORMS, *({**NEEDED, **self.own})])
            )
        return None

    def source(self, name: str) -> CostSource:
        """Return the source of a cost that was found before."""
        return self.own[name] if name in self.own else self._counted[name]

    def count(self, name: str, genes: np.ndarray) -> Cost:
        """Count MACs and parameters, with their breakdown, of the part that a cost is of."""
        return self._counted[name].count(genes)

    def __call__(self, genes: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return name -> (n,) for a gene matrix (n, num_genes).

        Raises:
            UsageError: a source raises, or gives something else than n finite numbers.
        """
        out, counts = {}, {}
        for name in names:
            source = self.source(name)
            if isinstance(source, CountedCost):  # one count gives MACs and parameters of a part
                key = source.part, source.size
                if key not in counts:
                    counts[key] = source.count(genes)
                out[name] = getattr(counts[key], source.kind)
            else:
                out[name] = _checked(source, _given(source, genes), len(genes))
        return out

    def reach(self, name: str, genes: np.ndarray | None = None) -> tuple[float, float]:
        """Return the least and the largest cost of candidates; None: of the probes."""
        values = self(self.probes if genes is None else genes, [name])[name]
        return values.min(), values.max()

    def shown_reach(self, name: str, genes: np.ndarray | None = None) -> str:
        """Word :meth:`reach`: ``from 5 to 8 ms``."""
        low, high = self.reach(name, genes)
        return f'from {low:g} to {high:g} {self.source(name).unit}'.rstrip()

    @cached_property
    def probes(self) -> np.ndarray:
        """Genes of candidates that tell what the space reaches: its ends, what differs from them in
        one gene (a larger patch has more parameters), and random ones.
        """
        space = self.space
        ends = space.genes([space.smallest, space.largest])
        beside = np.array(
            [
                [*end[:i], j, *end[i + 1 :]]
                for end in ends
                for i, choices in enumerate(space.choices)
                for j in range(len(choices))
            ]
        )
        beside = space.canonical_genes(beside[space.usable(beside)])
        return np.concatenate([ends, beside, space.uniform_genes(0, PROBES)])


def _given(source: CostSource, genes: np.ndarray) -> Any:
    try:
        return source(genes)
    except UsageError:
        raise
    except Exception as error:  # a user's own code may raise anything
        raise UsageError(
            f'the cost {source.name!r} ({type(source).__name__}) raises {raised(error)}'
        ) from error


def _checked(source: CostSource, given: Any, n: int) -> np.ndarray:
    """Return what a source gave as (n,) finite numbers."""
    try:
        values = np.asarray(given)
    except ValueError:  # lists of unequal length
        values = np.asarray(None)
    if values.dtype.kind not in 'iuf' or values.shape != (n,):
        raise UsageError(
            f'the cost {source.name!r} gives {_shown(given, values)} for {n} candidates, '
            f'expected numbers of shape ({n},)'
        )
    if not np.isfinite(values).all():
        place = int(np.flatnonzero(~np.isfinite(values))[0])
        raise UsageError(
            f'the cost {source.name!r} gives {values[place]} for candidate {place} of {n}, '
            'expected finite numbers'
        )
    return values


def _shown(given: Any, values: np.ndarray) -> str:
    if values.dtype.kind in 'iuf':
        return f'numbers of shape {values.shape}'
    text = repr(given)
    return text if len(text) <= 60 else f'{text[:57]}...'
