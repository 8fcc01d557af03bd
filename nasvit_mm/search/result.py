"""A search that has run, or is running, as Python sees it."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nasvit_mm.errors import UsageError, check_number, shown_path, unknown
from nasvit_mm.search.problem.counted import counted_axis
from nasvit_mm.search.problem.feasible import Constraint
from nasvit_mm.search.problem.sources import LatencyCost
from nasvit_mm.search.record.archive import NAME, read_archive
from nasvit_mm.search.record.drawing import CANDIDATE, Axis, draw_candidates
from nasvit_mm.search.record.front import front, is_measured, lost_words, record_values
from nasvit_mm.spaces import Arch, Space, get_space

SHOWN = 20  # lines of a table


@dataclass(frozen=True, repr=False)
class Search:
    """What a search found.

    Attributes:
        folder: its work dir: ``archive.jsonl``, ``front.json``, ``front.png``, ``report.html``.
        identity: what was searched for: space, task, objectives, constraints, algorithm, ...
        records: one a candidate, in the order of asking: ``index``, ``generation``, ``arch``,
            ``costs``, ``metrics``; of one that could not be evaluated also ``failed``, the reason.
    """

    folder: Path
    identity: Mapping[str, Any]
    records: list[dict[str, Any]]

    @classmethod
    def load(cls, folder: str | Path) -> Search:
        """Read a search back, which may still be running.

        Raises:
            UsageError: no search has written there, or its archive is damaged.
        """
        path, first = Path(folder, NAME), b''
        if path.is_file():
            with path.open('rb') as file:
                first = file.readline()
        if not first.endswith(b'\n'):
            raise UsageError(f'{shown_path(path)} is not there: no search has written to {folder}')
        records = read_archive(path)  # before the first line is parsed: it names what is damaged
        return cls(Path(folder), json.loads(first), records)

    def front(
        self, low: Mapping[str, float] | None = None, high: Mapping[str, float] | None = None
    ) -> Front:
        """Return the records that no other is better than in all objectives, by the first one; in a
        notebook they are shown as a table.

        Args:
            low, high: bounds, both included, of costs that the archive holds: ``{'macs': 3e9}``;
                then the front of the records within them.

        Raises:
            UsageError: the archive holds no such cost, or the bound is no number.
        """
        kept = self.records
        for side, bounds in (('low', low), ('high', high)):
            for name, bound in (bounds or {}).items():
                costs = self.records[0]['costs'] if self.records else ()
                if name not in costs:
                    raise UsageError(unknown(side, name, costs))
                check_number(f'{side}[{name!r}]', bound)
                within = Constraint(name, **{side: bound})
                kept = [r for r in kept if within.holds(np.array([r['costs'][name]]))[0]]
        return Front(front(self, kept), self)

    def plot(self, x: str | None = None, y: str | None = None, axes: Any = None) -> Any:
        """Draw all candidates and the front, as ``front.png`` does.

        Args:
            x, y: names of costs or metrics; None: the first objective over the second one, or over
                a cost.
            axes: matplotlib's, to draw into; None: those of a new figure.

        Returns:
            The axes.

        Raises:
            UsageError: no candidate has a cost or metric of that name.
        """
        names = self.names
        y = names[0] if y is None else y
        x = next((name for name in names if name != y), CANDIDATE) if x is None else x
        for given, name in (('x', x), ('y', y)):
            if name not in (*names, CANDIDATE):
                raise UsageError(unknown(given, name, [*names, CANDIDATE]))
        if axes is None:
            import matplotlib.pyplot as plt

            _, axes = plt.subplots(figsize=(7, 4.5), layout='constrained')
        title, joined = f'{self.folder.name}: {self.space.name}', {x, y} == set(self._signs)
        draw_candidates(axes, self.axis(x), self.axis(y), self.records, self.front(), joined, title)
        return axes

    @property
    def names(self) -> list[str]:
        """Return the names of what is known of candidates, the objectives first."""
        found = dict.fromkeys(self._signs)
        for record in self.records:
            found |= dict.fromkeys(record_values(record) if is_measured(record) else ())
        return list(found)

    def axis(self, name: str) -> Axis:
        """Return how values of a cost or metric are shown."""
        unit = counted_axis(name) or (1.0, LatencyCost.unit if name == 'latency' else '')
        return Axis(name, *unit)

    def best(self, metric: str | None = None) -> dict[str, Any]:
        """Return the record of the front that is best by an objective, the first one by default.

        Raises:
            UsageError: no such objective, or all candidates failed.
        """
        metric = next(iter(self._signs)) if metric is None else metric
        if metric not in self._signs:
            raise UsageError(unknown('objective', metric, self._signs))
        found = self.front()
        if not found:
            raise UsageError(f'{self.folder} has no candidate that was evaluated')
        return min(found, key=lambda r: self._signs[metric] * record_values(r)[metric])

    @cached_property
    def space(self) -> Space:
        """Return the searched space."""
        return get_space(self.identity['space'])

    def arch(self, record: Mapping[str, Any]) -> Arch:
        """Return the architecture of a record."""
        return self.space.arch(record['arch'])

    def scores(self, results: Iterable[Mapping[str, float]]) -> np.ndarray:
        """Return the objectives of costs and metrics, (n, objectives), all to be minimised."""
        signs = self._signs
        return np.array([[signs[m] * r[m] for m in signs] for r in results], float)

    @property
    def _signs(self) -> dict[str, int]:
        """Objective -> 1 where it is minimised, else -1."""
        return {o['metric']: 1 if o['goal'] == 'min' else -1 for o in self.identity['objectives']}

    def __repr__(self) -> str:
        return (
            f'<Search {str(self.folder)!r}: {len(self.records)} candidates of {self.space.name}'
            f'{lost_words(self.records)}, {len(self.front())} on the front of '
            f'{", ".join(self._signs)}>'
        )

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the sentence, and the front."""
        return f'<p>{html.escape(repr(self))}</p>{self.front()._repr_html_()}'


class Front(list):
    """Records of a search, which a notebook shows as a table; of many, evenly chosen lines."""

    def __init__(self, records: Iterable[Mapping[str, Any]], of: Search) -> None:
        super().__init__(records)
        self.of = of

    def _repr_html_(self) -> str:
        axes = [self.of.axis(name) for name in self.of.names]
        step = max(1, -(-len(self) // SHOWN))
        head = [CANDIDATE, *map(str, axes), 'architecture']
        rows = [
            [record['index'], *(f'{a.value(record):.5g}' for a in axes), self.of.arch(record)]
            for record in self[::step]
        ]
        lines = [_row('th', head), *(_row('td', row) for row in rows)]
        left = '' if step == 1 else f'<p>one of {step} of {len(self)} candidates</p>'
        return f'<table>{"".join(lines)}</table>{left}'


def _row(tag: str, cells: Iterable[Any]) -> str:
    return f'<tr>{"".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)}</tr>'
