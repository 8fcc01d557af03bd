"""The search itself: ask, look up or evaluate, write down, tell."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nasvit_mm.errors import UsageError
from nasvit_mm.search.algorithms.base import Algorithm
from nasvit_mm.search.evaluators.execute import Serial
from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.record.archive import Archive

Progress = Callable[[int, int, Mapping[str, Any] | None], None]


def search(
    problem: Problem,
    algorithm: Algorithm,
    archive: Archive,
    evaluator: Mapping[str, Any] | None = None,
    backend: Serial | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Run a search to its end, or go on with one.

    Args:
        problem: what is searched for.
        algorithm: asks for candidates.
        archive: what was evaluated before, and where new lines go.
        evaluator: ``dict(type=, ...)``; None where all objectives are costs.
        backend: where candidates are evaluated; None: in this process.
        progress: ``progress(generation, of this generation, record)`` after every candidate, with
            ``record=None`` at the beginning of a generation, when the second is how many it has.

    Returns:
        Records of all candidates: index, generation, arch, costs, metrics; of one without a finite
        figure for every objective also ``failed``, the reason.  It is no parent of others, and not
        asked again.

    Raises:
        UsageError: an objective that the evaluator has no figure of, a figure that is called like
            a cost, or a whole first generation that failed.
    """
    if problem.evaluated and evaluator is None:
        raise UsageError(
            f'the objective {problem.evaluated[0]!r} needs an evaluator (costs do '
            'not: macs, params, backbone.macs, ...)'
        )
    described = json.dumps(dict(evaluator or {}, space=problem.space.to_dict()))
    backend, records = backend or Serial(), []
    try:
        while len(genes := algorithm.ask()):
            generation, first = algorithm.generation - 1, len(records)
            if progress:
                progress(generation, len(genes), None)
            costs = _by_candidate(problem.costs(genes), len(genes))
            archs = [arch.to_dict() for arch in problem.archs(genes)]
            results = _results(problem, archive, first, archs, described, backend)
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
                if progress:
                    progress(generation, place + 1, record)
            archive.flush()
            told = [place for place, r in enumerate(records[first:]) if 'failed' not in r]
            if first == 0 and not told:
                raise UsageError(
                    f'all {len(records)} candidates of the first generation failed, '
                    f'the first so: {records[0]["failed"]}; mend the evaluator, and '
                    'begin in another --work-dir'
                )
            if told:
                algorithm.tell(
                    genes[told], problem.scores([figures(records[first + place]) for place in told])
                )
    finally:
        archive.close()
    return records


def figures(record: Mapping[str, Any]) -> dict[str, float]:
    """Costs and metrics of a record."""
    return {**record['costs'], **record['metrics']}


def _by_candidate(costs: Mapping[str, np.ndarray], n: int) -> list[dict[str, float]]:
    return [{name: values[i].item() for name, values in costs.items()} for i in range(n)]


def _results(
    problem: Problem,
    archive: Archive,
    first: int,
    archs: Sequence[dict],
    evaluator: str,
    backend: Serial,
) -> Any:
    """(place, result) of all candidates in their order; those of the archive are not evaluated."""
    if not problem.evaluated:
        yield from ((place, dict(metrics={})) for place in range(len(archs)))
        return
    ready = {}
    for place, arch in enumerate(archs):
        stored = archive.stored(first + place, arch)
        if stored is not None:
            ready[place] = stored
    missing = [place for place in range(len(archs)) if place not in ready]
    following = 0
    while following in ready:
        yield following, ready[following]
        following += 1
    for i, found in backend.run(evaluator, [archs[place] for place in missing]):
        if first == 0 and not ready:
            _check_names(found, problem)
        place = missing[i]
        ready[place] = _result(found, problem)
        if place != following:
            archive.keep(first + place, archs[place], ready[place])
        while following in ready:
            yield following, ready[following]
            archive.flush()
            following += 1


def _check_names(found: Mapping[str, float], problem: Problem) -> None:
    """Of the first figures that there are: a name that they lack is a mistake in the objectives."""
    for name in problem.evaluated if found else ():
        if name not in found:
            raise UsageError(_lack(name, found))


def _lack(name: str, found: Mapping[str, float]) -> str:
    return f'the evaluator gives no {name!r}; it gives {", ".join(found) or "nothing"}'


def _result(found: Mapping[str, float], problem: Problem) -> dict[str, Any]:
    """What a record says of an evaluation: ``metrics``, and where one is missing ``failed``."""
    both = [name for name in found if problem.metrics.get(name) is not None]
    if both:
        raise UsageError(
            f'the evaluator gives {both[0]!r}, the name of a cost: call its figure otherwise'
        )
    result: dict[str, Any] = dict(metrics={k: v for k, v in found.items() if math.isfinite(v)})
    for name in problem.evaluated:
        if name not in found:
            return dict(result, failed=_lack(name, found))
        if not math.isfinite(found[name]):
            return dict(result, failed=f'{name} = {found[name]}')
    return result


def front(problem: Problem, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The records that no other is better than in all objectives, by the first one; none that
    failed.
    """
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    records = [r for r in records if 'failed' not in r]
    if not records:
        return []
    scores = problem.scores([figures(r) for r in records])
    places = NonDominatedSorting().do(scores, only_non_dominated_front=True)
    return [dict(records[i]) for i in sorted(places, key=lambda i: tuple(scores[i]))]
