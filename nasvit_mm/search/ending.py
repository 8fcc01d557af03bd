"""What is said at the end of a search: what its front covers, and how to hand a candidate over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nasvit_mm.search.halving import agreement_words
from nasvit_mm.search.handover.choose import best_of
from nasvit_mm.search.known import bounds, gaps, open_words
from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.record.front import in_units, record_values

Records = Sequence[Mapping[str, Any]]


def last_words(problem: Problem, records: Records, best: Records, export: str = '') -> list[str]:
    """Return lines: of each cost what the front covers of the range that the space reaches within
    the constraints, and what nobody has looked at; how halving went; and which candidate an export
    takes, and why.

    Args:
        records: all of them.
        best: the front.
        export: the command; empty: none, of a config without a file.
    """
    if not best:
        return []
    open_, out = gaps(problem, [r for r in records if 'failed' not in r]), []
    for name, source in problem.metrics.items():
        if source is None:
            continue
        values = [record['costs'][name] for record in best]
        covered, there = (
            ' to '.join(source.show(value) for value in pair)
            for pair in ((min(values), max(values)), bounds(problem, name))
        )
        out.append(
            f'{name}: the front covers {covered} of {there}; {open_words(problem, name, open_)}'
        )
    out += agreement_words(problem, records)
    if export:
        goal = problem.objectives[0].metric
        record = best_of(problem, best)
        value = in_units(problem, goal, record_values(record)[goal])
        out.append(
            f'{export}  # takes candidate {record["index"]}, the best {goal} of the front '
            f'({value}); another: --candidate N, --best COST'
        )
    return out
