"""What an earlier search has measured, under the bounds of another: its front, and what it leaves
open.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log

from nasvit_mm.errors import ArchitectureError, UsageError, shown_path
from nasvit_mm.files import digest
from nasvit_mm.search.algorithms import Algorithm
from nasvit_mm.search.config import CONTENT_KEY, SearchPlan, read_search
from nasvit_mm.search.problem.feasible import Constraint
from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.problem.ranking import ranked
from nasvit_mm.search.record.archive import NAME
from nasvit_mm.search.record.front import front, is_measured, record_values
from nasvit_mm.search.record.identity import KNOWN_KEY, by_content, first_difference
from nasvit_mm.search.result import Search
from nasvit_mm.spaces import Space

MEASURED_BY = ('evaluator', CONTENT_KEY)  # of an identity: what metrics depend on
PARTS = 10  # of a range of costs; one without a candidate is open
ROUNDS = 20  # of draws in a part; of few candidates within all constraints it has none to show


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

    @property
    def genes(self) -> np.ndarray:
        """Return the genes of the records, (n, num_genes)."""
        space = self.problem.space
        if not self.records:
            return np.zeros((0, space.num_genes), np.int64)
        return space.genes([space.arch(record['arch']) for record in self.records])

    @property
    def scores(self) -> np.ndarray:
        """Return the objectives of the records, to be minimised, (n, objectives)."""
        return self.problem.scores(map(record_values, self.records))

    def beginning(self, number: int, seed: int) -> list[dict[str, Any]]:
        """Return architectures for a search under these bounds to begin with.

        The front, of a long one its ends and most open parts; and random candidates of the parts
        that nobody has looked at, as many of each, if there are any: half of all, or more where the
        front is short.

        Args:
            number: how many at most.
            seed: of the random ones.
        """
        order = ranked(self.problem.scores(map(record_values, self.front)))
        best = [self.front[place]['arch'] for place in order]
        room = number - min(len(best), number // 2 if self.gaps else number)
        unseen = self._unseen(room, seed)
        taken = number - len(unseen)
        if taken < len(best):
            print_log(
                f'{taken} of {len(best)} candidates of the earlier front begin this search, spread '
                'over it; a larger algorithm.population takes more',
                'current',
                logging.WARNING,
            )
        return [*best[:taken], *unseen]

    def _unseen(self, number: int, seed: int) -> list[dict[str, Any]]:
        """Return random candidates of the open parts, one of each in turn."""
        parts = [part for gap in self.gaps for part in _divided(self.problem, gap)]
        rng, draws = np.random.default_rng(seed), []
        for part in parts if number else ():
            try:
                within = self.problem.within(Constraint(*part))
            except UsageError:  # between two values that the cost has
                continue
            rows = self.genes[:0]
            for more in islice(within.rounds(rng, number), ROUNDS):
                rows = np.concatenate([rows, more])
                if len(rows) >= number:
                    break
            draws.append(rows[:number])
        turns = [rows[i] for i in range(number) for rows in draws if i < len(rows)]
        chosen = list({row.tobytes(): row for row in turns}.values())[:number]
        genes = np.array(chosen, np.int64).reshape(-1, self.problem.space.num_genes)
        return [arch.to_dict() for arch in self.problem.archs(genes)]

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
        UsageError: no search has written there, its metrics are of another evaluator, checkpoint
            or data, or none of its candidates is in the space that is searched now.

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
        self._check_space(plan.problem.space, folder, own)
        self._records = {
            _key(own | record['arch']): dict(record, arch=own | record['arch'])
            for record in self.search.records
            if is_measured(record) and all(name in record['metrics'] for name in needed)
        }

    def _check_space(self, space: Space, folder: str | Path, own: Mapping[str, Any]) -> None:
        refused = []
        for record in self.search.records:
            try:
                space.arch(own | record['arch'])
                return
            except ArchitectureError as error:
                refused.append(error)
        if refused:
            raise UsageError(
                f'{folder}: none of its {len(refused)} candidates is in the space that is searched '
                f'now; of the first: {refused[0]}; give the config of that search, or another '
                'folder'
            )

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


def begin_with(cfg: Config, plan: SearchPlan, known: Known) -> SearchPlan:
    """Return the plan of a search that goes on from an earlier one: it begins with the config's
    ``initial`` and with :meth:`Reconsidered.beginning`, and a predictor learns what was measured.

    Args:
        cfg: of the search; gets ``initial``.
        plan: as the config has it.
    """
    found = known.under(plan.problem)
    room = max(0, plan.algorithm.population - plan.algorithm.num_initial)
    cfg.initial = plan.identity['initial'] + found.beginning(room, plan.identity['seed'])
    plan = read_search(cfg, cfg.filename)
    if type(plan.algorithm).learn is Algorithm.learn:  # all that it takes over is in `initial`
        return plan
    plan.algorithm.learn(found.genes, found.scores)
    learned = digest([[r['arch'], r['costs'], r['metrics']] for r in found.records])
    return replace(plan, identity=dict(plan.identity, **{KNOWN_KEY: learned}))


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


def _divided(problem: Problem, gap: Gap) -> list[Gap]:
    """Return the parts that a gap was joined of."""
    low, high = bounds(problem, gap.metric)
    number = max(1, round((gap.high - gap.low) * PARTS / (high - low))) if high > low else 1
    edges = np.linspace(gap.low, gap.high, number + 1).tolist()
    return [Gap(gap.metric, *pair) for pair in zip(edges, edges[1:])]


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
