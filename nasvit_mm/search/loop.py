"""The search itself: ask, look up or evaluate, write down, tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from nasvit_mm.errors import UsageError
from nasvit_mm.search.algorithms import Algorithm
from nasvit_mm.search.evaluators.base import EvaluatorSpec, of_share
from nasvit_mm.search.evaluators.execute import Backend, Failed, Specs
from nasvit_mm.search.evaluators.in_process import InProcess
from nasvit_mm.search.halving import Looks, Rung, estimates, stop_early
from nasvit_mm.search.known import Known
from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.record.archive import Archive
from nasvit_mm.search.record.front import is_measured, record_values

Result = dict[str, Any]  # what a record says of an evaluation
SYSTEMATIC = 4  # candidates, of which none can be measured: no candidate is to blame for that


class Progress(Protocol):
    """Follows a search."""

    def begin(self, generation: int, size: int) -> None:
        """Take note that a generation of ``size`` candidates begins."""

    def lost(self, index: int, reason: str) -> None:
        """Take note of a candidate that could not be measured, as soon as that is known."""

    def measured(self, share: float) -> None:
        """Take note that a candidate was evaluated, or failed to be, on a share of the images."""

    def look(self, number: int, done: int, total: int) -> None:
        """Take note that so many of a generation's candidates were looked at, for the nth time."""

    def done(self, record: Mapping[str, Any]) -> None:
        """Take note of the next record that is written, in the order of asking."""


class Silent:
    """Tells nobody."""

    def begin(self, generation: int, size: int) -> None:
        pass

    def lost(self, index: int, reason: str) -> None:
        pass

    def measured(self, share: float) -> None:
        pass

    def look(self, number: int, done: int, total: int) -> None:
        pass

    def done(self, record: Mapping[str, Any]) -> None:
        pass


def search(
    problem: Problem,
    algorithm: Algorithm,
    archive: Archive,
    evaluators: EvaluatorSpec | Mapping | Iterable[EvaluatorSpec | Mapping] | None = None,
    backend: Backend | None = None,
    progress: Progress | None = None,
    known: Known | None = None,
    halving: Sequence[Rung] = (),
) -> list[dict[str, Any]]:
    """Run a search to its end, or resume one.

    Args:
        problem: what is searched for.
        algorithm: asks for candidates.
        archive: what was evaluated before, and where new lines go.
        evaluators: specs or ``dict(type=, ...)``, or one alone, whose metrics are merged; None
            where all objectives are costs.
        backend: where candidates are evaluated; None: in this process.
        progress: told of every generation and candidate.
        known: an earlier search, what it has measured is not measured again; None: none.
        halving: looks at a share of the images, after which candidates that are behind stop.

    Returns:
        Records of all candidates: index, generation, arch, costs, metrics; of one that could not
        be measured, or is without a finite metric for an objective, also ``failed``, the reason;
        of one that stopped early ``stopped``, and no metrics.  Neither is a parent of others, nor
        asked again; a predictor learns an estimate of the latter.  With ``halving`` also ``looks``,
        the metrics of each.

    Raises:
        UsageError: an objective that no evaluator has a metric of, a metric that is called like
            a cost, a whole first generation that failed, or a later one of which nothing could be
            measured: it is not recorded, for no candidate is to blame.
    """
    specs = _specs(evaluators, problem)
    if problem.needed_metrics and not specs:
        raise UsageError(
            f'the objective {problem.needed_metrics[0]!r} needs an evaluator (costs do '
            'not: macs, params, backbone.macs, ...)'
        )
    backend, progress, records = backend or InProcess(), progress or Silent(), []
    try:
        while len(genes := algorithm.ask()):
            generation, first = algorithm.generation - 1, len(records)
            progress.begin(generation, len(genes))
            costs = _by_candidate(problem.costs(genes), len(genes))
            archs = [arch.to_dict() for arch in problem.archs(genes)]
            asked = Asked(problem, archive, first, archs, costs, specs, backend, progress)
            results = _results(asked, known, halving)
            for place, result in results:
                record = dict(
                    index=first + place,
                    generation=generation,
                    arch=archs[place],
                    costs=costs[place],
                    **result,
                )
                archive.append(record)
                records.append(record)
                progress.done(record)
            archive.flush()
            told = [place for place, r in enumerate(records[first:]) if is_measured(r)]
            if first == 0 and not told:
                failed = [record['failed'] for record in records if 'failed' in record]
                raise UsageError(
                    f'all {len(failed)} candidates of the first generation failed, '
                    f'the first so: {failed[0]}; mend the evaluator, and '
                    'begin in another --work-dir'
                )
            if told:
                values = [record_values(records[first + place]) for place in told]
                algorithm.tell(genes[told], problem.scores(values))
            stopped = [place for place, r in enumerate(records[first:]) if 'stopped' in r]
            names, behind = problem.needed_metrics, [records[first + place] for place in stopped]
            if values := estimates(records, behind, names):
                algorithm.learn(genes[stopped], problem.scores(values), measured=False)
    finally:
        archive.close()
    return records


def _specs(given: Any, problem: Problem) -> Specs:
    one = isinstance(given, (EvaluatorSpec, Mapping))
    return tuple(
        each if isinstance(each, EvaluatorSpec) else EvaluatorSpec.read(each, problem.space)
        for each in ([given] if one else given or ())
    )


def _by_candidate(costs: Mapping[str, np.ndarray], n: int) -> list[dict[str, float]]:
    return [{name: values[i].item() for name, values in costs.items()} for i in range(n)]


@dataclass
class Asked:
    """The candidates of a generation, and who measures them, keeps that and is told.

    Attributes:
        first: number of the first of them in the archive.
        checked: whether the names of the metrics are known to be right.
        measured: whether any candidate could be measured.
    """

    problem: Problem
    archive: Archive
    first: int
    archs: list[dict]
    costs: list[dict[str, float]]
    specs: Specs
    backend: Backend
    progress: Progress
    checked: bool = False
    measured: bool = False

    def measure(self, places: Sequence[int], share: float = 1.0) -> Iterator[tuple[int, Result]]:
        """Yield (place, result) in whatever order they come."""
        archs = [self.archs[place] for place in places]
        for i, found in self.backend.run(of_share(self.specs, share), archs):
            self.progress.measured(share)
            if isinstance(found, Failed):
                self.progress.lost(self.first + places[i], found.reason)
                yield places[i], dict(metrics={}, failed=found.reason)
                continue
            if not self.checked:
                _check_names(found, self.problem)
            result, self.checked, self.measured = _result(found, self.problem), True, True
            yield places[i], result

    def check(self, results: Sequence[Result]) -> None:
        """Check that there are not only failures, for which no candidate is to blame.

        Args:
            results: of those that were asked for, none of which is recorded yet.

        Raises:
            UsageError: there are.
        """
        if results and not self.measured and (self.first == 0 or len(results) >= SYSTEMATIC):
            raise UsageError(
                f'none of {len(self.archs)} candidates of a generation could be measured; of the '
                f'first: {results[0]["failed"]}; mend that and resume with --resume: none is '
                'recorded'
            )


def _results(
    asked: Asked, known: Known | None, halving: Sequence[Rung]
) -> Iterator[tuple[int, Result]]:
    """Yield (place, result) of all candidates in their order; those of the archive, and of an
    earlier search, are not evaluated.
    """
    archive, first, archs = asked.archive, asked.first, asked.archs
    if not asked.problem.needed_metrics:
        yield from ((place, dict(metrics={})) for place in range(len(archs)))
        return
    ready, looks = {}, {}
    for place, arch in enumerate(archs):
        stored = archive.stored(first + place, arch)
        if stored is None and known is not None:
            stored = known.result(arch)
        if stored is not None and 'looks' in stored:
            looks[place] = stored['looks']
        if stored is not None and (stored['metrics'] or not is_measured(stored)):
            ready[place] = stored
    asked.checked = bool(first or ready or looks)
    asked.measured = bool(looks) or any('failed' not in r for r in ready.values())
    if halving:
        _look(asked, ready, looks, halving)
    missing = [place for place in range(len(archs)) if place not in ready]
    following = 0
    while following in ready:
        yield following, ready[following]
        following += 1
    held = []  # results that are not yielded, nor kept in the archive
    for place, result in asked.measure(missing):
        held.append(place)
        ready[place] = _with_looks(result, looks.get(place))
        if not asked.measured:  # are the candidates to blame, or the evaluator?
            continue
        while following in ready:
            yield following, ready[following]
            archive.flush()
            following += 1
        for waits in [waits for waits in held if waits > following]:
            archive.keep(first + waits, archs[waits], ready[waits])
        held.clear()
    asked.check([ready[place] for place in held])
    yield from ((place, ready[place]) for place in held)


def _look(asked: Asked, ready: dict[int, Result], looks: Looks, halving: Sequence[Rung]) -> None:
    """Measure on shares of the images, and keep that; those that stop or fail become ready."""

    def measure(number: int, share: float, places: list[int]) -> None:
        results = []
        for place, result in asked.measure(places, share):
            results.append(result)
            if 'failed' in result:
                ready[place] = _with_looks(result, looks.get(place))
            else:
                looks.setdefault(place, []).append(result['metrics'])
                kept = dict(metrics={}, looks=looks[place])
                asked.archive.keep(asked.first + place, asked.archs[place], kept)
            asked.progress.look(number + 1, len(results), len(places))
        asked.check(results)

    stop_early(asked.problem, halving, asked.costs, ready, looks, measure)


def _with_looks(result: Result, looks: list[dict[str, float]] | None) -> Result:
    return result if looks is None else dict(result, looks=looks)


def _check_names(found: Mapping[str, float], problem: Problem) -> None:
    """Check the first metrics that there are: a name that they lack is a mistake in the
    objectives.
    """
    for name in problem.needed_metrics if found else ():
        if name not in found:
            raise UsageError(_lack(name, found))


def _lack(name: str, found: Mapping[str, float]) -> str:
    return f'the evaluator gives no {name!r}; it gives {", ".join(found) or "nothing"}'


def _result(found: Mapping[str, float], problem: Problem) -> dict[str, Any]:
    """Return what a record says of an evaluation: ``metrics``, and where one is missing
    ``failed``.
    """
    both = [name for name in found if name in problem.cost_sources]
    if both:
        raise UsageError(
            f'the evaluator gives {both[0]!r}, the name of a cost: call its metric otherwise'
        )
    result: dict[str, Any] = dict(metrics={k: v for k, v in found.items() if math.isfinite(v)})
    for name in problem.needed_metrics:
        if name not in found:
            return dict(result, failed=_lack(name, found))
        if not math.isfinite(found[name]):
            return dict(result, failed=f'{name} = {found[name]}')
    return result
