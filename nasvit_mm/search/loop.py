"""The search itself: ask, look up or evaluate, write down, tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from nasvit_mm.errors import UsageError
from nasvit_mm.search.algorithms import Algorithm
from nasvit_mm.search.evaluators.base import EvaluatorSpec
from nasvit_mm.search.evaluators.execute import Backend, Failed, Specs
from nasvit_mm.search.evaluators.in_process import InProcess
from nasvit_mm.search.known import Known
from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.record.archive import Archive
from nasvit_mm.search.record.front import record_values

SYSTEMATIC = 4  # candidates, of which none can be measured: no candidate is to blame for that


class Progress(Protocol):
    """Follows a search."""

    def begin(self, generation: int, size: int) -> None:
        """Take note that a generation of ``size`` candidates begins."""

    def lost(self, index: int, reason: str) -> None:
        """Take note of a candidate that could not be measured, as soon as that is known."""

    def done(self, record: Mapping[str, Any]) -> None:
        """Take note of the next record that is written, in the order of asking."""


class Silent:
    """Tells nobody."""

    def begin(self, generation: int, size: int) -> None:
        pass

    def lost(self, index: int, reason: str) -> None:
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

    Returns:
        Records of all candidates: index, generation, arch, costs, metrics; of one that could not
        be measured, or is without a finite metric for an objective, also ``failed``, the reason.
        It is no parent of others, and not asked again.

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
            results = _results(problem, archive, first, archs, specs, backend, progress, known)
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
            told = [place for place, r in enumerate(records[first:]) if 'failed' not in r]
            if first == 0 and not told:
                raise UsageError(
                    f'all {len(records)} candidates of the first generation failed, '
                    f'the first so: {records[0]["failed"]}; mend the evaluator, and '
                    'begin in another --work-dir'
                )
            if told:
                values = [record_values(records[first + place]) for place in told]
                algorithm.tell(genes[told], problem.scores(values))
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


def _results(
    problem: Problem,
    archive: Archive,
    first: int,
    archs: Sequence[dict],
    specs: Specs,
    backend: Backend,
    progress: Progress,
    known: Known | None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (place, result) of all candidates in their order; those of the archive, and of an
    earlier search, are not evaluated.
    """
    if not problem.needed_metrics:
        yield from ((place, dict(metrics={})) for place in range(len(archs)))
        return
    ready = {}
    for place, arch in enumerate(archs):
        stored = archive.stored(first + place, arch)
        if stored is None and known is not None:
            stored = known.result(arch)
        if stored is not None:
            ready[place] = stored
    missing = [place for place in range(len(archs)) if place not in ready]
    following = 0
    while following in ready:
        yield following, ready[following]
        following += 1
    checked, measured = bool(first or ready), any('failed' not in r for r in ready.values())
    held = []  # results that are not yielded, nor kept in the archive
    for i, found in backend.run(specs, [archs[place] for place in missing]):
        place = missing[i]
        held.append(place)
        if isinstance(found, Failed):
            progress.lost(first + place, found.reason)
            ready[place] = dict(metrics={}, failed=found.reason)
        else:
            if not checked:
                _check_names(found, problem)
            ready[place], checked, measured = _result(found, problem), True, True
        if not measured:  # are the candidates to blame, or the evaluator?
            continue
        while following in ready:
            yield following, ready[following]
            archive.flush()
            following += 1
        for waits in [waits for waits in held if waits > following]:
            archive.keep(first + waits, archs[waits], ready[waits])
        held.clear()
    if held and (first == 0 or len(held) >= SYSTEMATIC):
        raise UsageError(
            f'none of {len(archs)} candidates of a generation could be measured; of the first: '
            f'{ready[held[0]]["failed"]}; mend that and resume with --resume: none is recorded'
        )
    yield from ((place, ready[place]) for place in held)


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
