"""The candidates of a search as points, and its front as a line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nasvit_mm.errors import printable
from nasvit_mm.search.record.front import is_measured, lost_words, record_values

CANDIDATE = 'candidate'  # the axis of their numbers


class Axis(NamedTuple):
    """What is drawn along an axis.

    Attributes:
        name: of a cost, a metric, or ``'candidate'``.
        scale: what values are divided by.
        unit: beside the name.
    """

    name: str
    scale: float = 1.0
    unit: str = ''

    def __str__(self) -> str:
        return f'{self.name} ({self.unit})' if self.unit else self.name

    def value(self, record: Mapping[str, Any]) -> float:
        """Return where a record is drawn, NaN where its value is not known."""
        if self.name == CANDIDATE:
            return record['index']
        return record_values(record).get(self.name, math.nan) / self.scale


def draw_candidates(
    axes: Any,
    x: Axis,
    y: Axis,
    records: Sequence[Mapping[str, Any]],
    best: Sequence[Mapping[str, Any]],
    joined: bool,
    title: str,
) -> None:
    """Draw candidates and their front into matplotlib's axes.

    Args:
        best: the front of the records.
        joined: whether a line joins it, as of two objectives.
    """
    drawn = [r for r in records if is_measured(r)]
    axes.plot(
        [x.value(r) for r in drawn],
        [y.value(r) for r in drawn],
        '.',
        color='#6a8fb5',
        alpha=0.5,
        label=f'{len(records)} candidates{lost_words(records)}',
    )
    ends = sorted((x.value(r), y.value(r)) for r in best)
    style = 'o-' if joined else 'o'
    axes.plot(*zip(*ends), style, color='#c8502d', markersize=4, linewidth=1, label='front')
    for put, text in ((axes.set_xlabel, x), (axes.set_ylabel, y), (axes.set_title, title)):
        put(printable(str(text)), parse_math=False)  # names, not formulas
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
