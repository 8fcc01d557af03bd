"""The best candidates of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nasvit_mm.search.problem.problem import Problem


def record_values(record: Mapping[str, Any]) -> dict[str, float]:
    """Return costs and metrics of a record by name."""
    return {**record['costs'], **record['metrics']}


def is_measured(record: Mapping[str, Any]) -> bool:
    """Tell whether a record has the metrics of all images: it neither failed nor stopped early."""
    return 'failed' not in record and 'stopped' not in record


def lost_words(records: Sequence[Mapping[str, Any]]) -> str:
    """Word how many records have no metrics of all images, ``', 9 stopped early, 2 failed'``; ''
    where all have.
    """
    return ''.join(
        f', {number} {word}'
        for key, word in (('stopped', 'stopped early'), ('failed', 'failed'))
        if (number := sum(key in r for r in records))
    )


def in_units(problem: Problem, name: str, value: float) -> str:
    """Write a cost or a metric for people, a cost in its unit."""
    source = problem.metrics.get(name)
    return f'{value:.6g}' if source is None else source.show(value)


def front(problem: Problem, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the records that no other is better than in all objectives, by the first one; none
    that failed or stopped early.
    """
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    records = [r for r in records if is_measured(r)]
    if not records:
        return []
    scores = problem.scores([record_values(r) for r in records])
    places = NonDominatedSorting().do(scores, only_non_dominated_front=True)
    return [dict(records[i]) for i in sorted(places, key=lambda i: tuple(scores[i]))]
