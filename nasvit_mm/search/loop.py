"""The search itself: ask, look up or evaluate, write down, tell."""
from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nasvit_mm.engine import UsageError
from nasvit_mm.search.algorithms import Algorithm
from nasvit_mm.search.archive import Archive
from nasvit_mm.search.execute import Serial
from nasvit_mm.search.problem import Problem

Progress = Callable[[int, int, Mapping[str, Any] | None], None]


def search(problem: Problem, algorithm: Algorithm, archive: Archive,
           evaluator: Mapping[str, Any] | None = None, backend: Serial | None = None,
           progress: Progress | None = None) -> list[dict[str, Any]]:
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
        Records of all candidates: index, generation, arch, costs, metrics.

    Raises:
        UsageError: an evaluator that gives no, or no finite, figure for an objective.
    """
    if problem.evaluated and evaluator is None:
        raise UsageError(f'the objective {problem.evaluated[0]!r} needs an evaluator (costs do '
                         'not: macs, params, backbone.macs, ...)')
    described = json.dumps(dict(evaluator or {}, space=problem.space.to_dict()))
    backend, records = backend or Serial(), []
    try:
        while len(genes := algorithm.ask()):
            generation, first = algorithm.generation - 1, len(records)
            if progress:
                progress(generation, len(genes), None)
            costs = _by_candidate(problem.costs(genes), len(genes))
            archs = [arch.to_dict() for arch in problem.archs(genes)]
            figures = _figures(problem, archive, first, archs, described, backend)
            for place, metrics in figures:
                record = dict(index=first + place, generation=generation, arch=archs[place],
                              costs=costs[place], metrics=metrics)
                archive.append(record)
                records.append(record)
                if progress:
                    progress(generation, place + 1, record)
            archive.flush()
            results = [{**r['costs'], **r['metrics']} for r in records[first:]]
            algorithm.tell(genes, problem.scores(results))
    finally:
        archive.close()
    return records


def _by_candidate(costs: Mapping[str, np.ndarray], n: int) -> list[dict[str, float]]:
    return [{name: values[i].item() for name, values in costs.items()} for i in range(n)]


def _figures(problem: Problem, archive: Archive, first: int, archs: Sequence[dict], evaluator: str,
             backend: Serial) -> Any:
    """(place, figures) of all candidates in their order; those of the archive are not evaluated."""
    if not problem.evaluated:
        yield from ((place, {}) for place in range(len(archs)))
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
    for i, metrics in backend.run(evaluator, [archs[place] for place in missing]):
        place = missing[i]
        ready[place] = _checked(metrics, problem.evaluated, archs[place])
        if place != following:
            archive.keep(first + place, archs[place], ready[place])
        while following in ready:
            yield following, ready[following]
            archive.flush()
            following += 1


def _checked(metrics: Mapping[str, float], wanted: Sequence[str], arch: Mapping) -> dict:
    for name in wanted:
        if name not in metrics:
            raise UsageError(f'the evaluator gives no {name!r}; it gives {", ".join(metrics)}')
        if not math.isfinite(metrics[name]):
            raise UsageError(f'{name} = {metrics[name]} of the candidate {json.dumps(arch)}')
    return {k: v for k, v in metrics.items() if math.isfinite(v)}


def front(problem: Problem, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The records that no other is better than in all objectives, by the first one."""
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
    if not records:
        return []
    scores = problem.scores([{**r['costs'], **r['metrics']} for r in records])
    places = NonDominatedSorting().do(scores, only_non_dominated_front=True)
    return [dict(records[i]) for i in sorted(places, key=lambda i: tuple(scores[i]))]
