"""What an earlier search has measured, under the bounds of another: its front, and what it leaves
open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nasvit_mm.errors import ArchitectureError, UsageError, shown_path
from nasvit_mm.search.config import CONTENT_KEY, SearchPlan
from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.record.archive import NAME
from nasvit_mm.search.record.front import front, is_measured
from nasvit_mm.search.record.identity import by_content, first_difference
from nasvit_mm.search.result import Search

MEASURED_BY = ('evaluator', CONTENT_KEY)  # of an identity: what metrics depend on
PARTS = 10  # of a range of costs; one without a candidate is open


class Gap(NamedTuple):
    """A part of a cost's range in which nobody has been evaluated."""

    metric: str
    low: float
    high: float


class Reconsidered(NamedTuple):
    """An earlier search under the bounds of a problem: candidates within them, with the costs of
    the problem; the front of these; and what nobody has looked at.
    """

    problem: Problem
    records: list[dict[str, Any]]
    front: list[dict[str, Any]]
    gaps: list[Gap]

    def words(self) -> list[str]:
        """Return a line for each cost: the range under the bounds, and what is open of it."""
        out = []
        for name, source in self.problem.metrics.items():
            if source is None:
                continue
            low, high = map(source.show, bounds(self.problem, name))
            open_ = open_words(self.problem, name, self.gaps)
            out.append(f'{name}: the bounds leave {low} to {high}; {open_}')
        return out


class Known:
    """The candidates that an earlier search measured, by architecture.

    Args:
        folder: its work dir.
        plan: of the search that is to use them.

    Raises:
        UsageError: no search has written there, or its metrics are of another evaluator, checkpoint
            or data.

    Attributes:
        search: the earlier one.
    """

    def __init__(self, folder: str | Path, plan: SearchPlan) -> None:
        self.search = Search.load(folder)
        ours, theirs = by_content(plan.identity, self.search.identity)
        for key in MEASURED_BY:
            if ours.get(key) != theirs.get(key):
                where, there, now = first_difference(key, theirs.get(key), ours.get(key))
                raise UsageError(
                    f'{shown_path(Path(folder, NAME))} holds metrics of something else: {where} = '
                    f'{there!r:.80} there, {now!r:.80} now'
                )
        needed = plan.problem.needed_metrics
        task = plan.problem.task
        # What was measured without genes of the task was as the task's config has them.
        own = task.own_task if task is not None else {}
        self._records = {
            _key(own | record['arch']): dict(record, arch=own | record['arch'])
            for record in self.search.records
            if is_measured(record) and all(name in record['metrics'] for name in needed)
        }

    def result(self, arch: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the evaluation of an architecture gave, as :meth:`Archive.stored`; None: it
        was not evaluated.
        """
        record = self._records.get(_key(arch))
        return record and dict(metrics=record['metrics'])

    def under(self, problem: Problem) -> Reconsidered:
        """Return what the earlier search says under the bounds of a problem."""
        archs, records = [], []
        for record in self._records.values():
            try:
                archs.append(problem.space.arch(record['arch']))
            except ArchitectureError:  # of a larger space
                continue
            records.append(record)
        if records:
            genes = problem.space.genes(archs)
            costs = problem.costs(genes)
            records = [
                dict(records[i], costs={name: values[i].item() for name, values in costs.items()})
                for i in np.flatnonzero(problem.feasible(genes))
            ]
        return Reconsidered(problem, records, front(problem, records), gaps(problem, records))


def _key(arch: Mapping[str, Any]) -> str:
    return json.dumps(arch, sort_keys=True)


def gaps(problem: Problem, records: Sequence[Mapping[str, Any]]) -> list[Gap]:
    """Return the parts of the costs' ranges, within what is reached and bounded, that no record is
    in; neighbouring parts as one.

    Args:
        records: of candidates, with the costs of the problem.
    """
    out = []
    for name, source in problem.metrics.items():
        if source is None:
            continue
        low, high = bounds(problem, name)
        edges = np.linspace(low, high, PARTS + 1)
        values = [record['costs'][name] for record in records]
        filled = np.histogram(values, edges)[0] > 0
        begin = None
        for i, full in enumerate([*filled, True]):
            if full and begin is not None:
                out.append(Gap(name, edges[begin].item(), edges[i].item()))
                begin = None
            elif not full and begin is None:
                begin = i
    return out


def open_words(problem: Problem, name: str, gaps: Sequence[Gap]) -> str:
    """Word which parts of a cost's range nobody has looked at."""
    found = [gap for gap in gaps if gap.metric == name]
    if not found:
        return 'all parts looked at'
    show = problem.metrics[name].show
    return 'nobody has looked at ' + ', '.join(f'{show(g.low)} to {show(g.high)}' for g in found)


def bounds(problem: Problem, name: str) -> tuple[float, float]:
    """Return the range of a cost that the space reaches within the constraints on it."""
    low, high = problem.reach(name)
    for constraint in problem.constraints:
        if constraint.metric == name:
            low = low if constraint.low is None else max(low, constraint.low)
            high = high if constraint.high is None else min(high, constraint.high)
    return low, high


def with_bounds(
    constraints: Sequence[Mapping[str, Any]],
    low: Mapping[str, float] | None = None,
    high: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Return constraints with other bounds: cost -> bound; those of other costs stay."""
    out = {each['metric']: dict(each) for each in constraints}
    for side, bounds in (('low', low), ('high', high)):
        for metric, bound in (bounds or {}).items():
            out.setdefault(metric, dict(metric=metric))[side] = bound
    return list(out.values())
