"""How a search stands: what it has found so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.record.front import front, is_measured, record_values

MOST_OBJECTIVES = 4  # whose hypervolume is computed in milliseconds


class Best(NamedTuple):
    """The best value of an objective, and the number of the candidate that has it."""

    value: float
    index: int


class Standing:
    """What the records of a search come to, one after another.

    Attributes:
        number, failed, stopped: of candidates; stopped early, by halving.
        best: by objective.
        front: records that no other is better than.
        growth: hypervolume of the front over that of the first generation's, both to the worst
            values of the first generation; None before its end, with one objective or more than
            four, and where the first generation has none.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.number = self.failed = self.stopped = 0
        self.best: dict[str, Best] = {}
        self.front: list[dict[str, Any]] = []
        self.growth: float | None = None
        self._scores: list[np.ndarray] = []  # of the first generation
        self._hypervolume, self._first = None, 0.0

    def add(self, record: Mapping[str, Any]) -> None:
        """Take note of the next record."""
        self.number += 1
        self.failed += 'failed' in record
        self.stopped += 'stopped' in record
        if not is_measured(record):
            return
        values = record_values(record)
        for goal in self.problem.objectives:
            value, known = values[goal.metric], self.best.get(goal.metric)
            if known is None or goal.sign * value < goal.sign * known.value:
                self.best[goal.metric] = Best(value, record['index'])
        if record['generation'] == 0:
            self._scores.append(self.problem.scores([values])[0])
        self.front = front(self.problem, [*self.front, record])

    def end_generation(self) -> None:
        """Take note that all records of a generation are there."""
        from pymoo.indicators.hv import HV

        if not self.front or not 2 <= len(self.problem.objectives) <= MOST_OBJECTIVES:
            return
        scores = self.problem.scores([record_values(r) for r in self.front])
        if self._hypervolume is None:
            self._hypervolume = HV(ref_point=np.max(self._scores, axis=0))
            self._first = self._hypervolume(scores)
        if self._first > 0:
            self.growth = self._hypervolume(scores) / self._first
