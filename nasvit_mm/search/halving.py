"""Successive halving (Jamieson and Talwalkar, AISTATS 2016) inside a generation of a search.

All candidates of a generation are first measured on a share of the images; the best of them by that
go on to the next share, and only those that are left are measured on all.  What was measured on
fewer images is kept apart, as a record's ``looks``: metrics of different lengths never meet in a
front.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from statistics import median
from typing import Any, NamedTuple

from nasvit_mm.errors import UsageError, check_number, closest
from nasvit_mm.search.evaluators.base import EvaluatorSpec
from nasvit_mm.search.evaluators.seen import IMAGES
from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.problem.ranking import ranked
from nasvit_mm.search.record.front import is_measured

KEYS = ('share', 'keep')


class Rung(NamedTuple):
    """One look at the candidates of a generation.

    Attributes:
        share: of the images.
        keep: share of the candidates that go on; at least one does.
        of: what the share is of.  Looks once took batches, of which a data set may have few: an
            archive that says nothing of this holds others, and is of another search.
    """

    share: float
    keep: float
    of: str = IMAGES


def read_rungs(given: Any, evaluators: Sequence[EvaluatorSpec]) -> tuple[Rung, ...]:
    """Read ``halving = dict(share=0.25, keep=0.5)``, or a list of such rungs.

    Raises:
        UsageError: something else, shares that do not grow, or an evaluator that knows no shares.
    """
    if given is None:
        return ()
    rungs = []
    for each in [given] if isinstance(given, Mapping) else given:
        if not isinstance(each, Mapping) or set(each) != set(KEYS):
            wrong = set(each) - set(KEYS) if isinstance(each, Mapping) else ()
            hint = closest(str(sorted(map(str, wrong))[0]), KEYS) if wrong else ''
            raise UsageError(
                f'halving = {given!r:.80}, expected dict(share=0.25, keep=0.5), or a list{hint}'
            )
        rungs.append(
            Rung(*(check_number(f'halving.{key}', each[key], above=0, high=1) for key in KEYS))
        )
    shares = [rung.share for rung in rungs]
    if shares != sorted(set(shares)) or (shares and shares[-1] >= 1):
        given = ', '.join(f'{share:g}' for share in shares)
        raise UsageError(
            f'halving: the shares of the images are {given}, expected each larger than the one '
            'before, and below 1: in the end all images are taken'
        )
    for spec in evaluators:
        if rungs and not spec.kind.shares:
            raise UsageError(
                f'halving: the evaluator {spec.type} measures on all images only; '
                'leave halving out of the config'
            )
        if rungs:
            spec.check_shares()
    if rungs and not evaluators:
        raise UsageError('halving: all objectives are costs, which need no images; leave it out')
    return tuple(rungs)


def best_places(
    problem: Problem, rung: Rung, values: Mapping[int, Mapping[str, float]]
) -> set[int]:
    """Return the places that go on: by fronts, of the last front those that are least crowded.

    Args:
        values: place -> costs, and metrics of this rung.
    """
    places = sorted(values)
    scores = problem.scores([values[place] for place in places])
    number = math.ceil(rung.keep * len(places))
    return {places[i] for i in ranked(scores)[:number]}


Found = dict[str, Any]  # what a record says of an evaluation
Looks = dict[int, list[dict[str, float]]]  # place -> metrics of each rung


def stop_early(
    problem: Problem,
    rungs: Sequence[Rung],
    costs: Sequence[Mapping[str, float]],
    ready: dict[int, Found],
    looks: Looks,
    measure: Callable[[int, float, list[int]], None],
) -> None:
    """Measure a generation's candidates on shares of the images, and stop those that are behind.

    Args:
        costs: of all candidates of the generation.
        ready: place -> result of those that are done; gets those that stop.
        looks: what is known of looks; of one that is ready without looks nothing is asked.
        measure: called with the number of a rung, its share, and places; it appends to ``looks``,
            or writes the failure to ``ready``.
    """
    alive = {place for place in range(len(costs)) if place not in ready or place in looks}
    for number, rung in enumerate(rungs):
        asked = [p for p in sorted(alive - set(ready)) if len(looks.get(p, ())) == number]
        if asked:
            measure(number, rung.share, asked)
        alive = {place for place in alive if len(looks.get(place, ())) > number}
        seen = next((_seen(rungs, looks[place], number) for place in sorted(alive)), '')
        values = {place: {**costs[place], **looks[place][number]} for place in alive}
        behind = alive - best_places(problem, rung, values) if alive else set()
        for place in behind - set(ready):
            said = f'behind the others after {rung.share:.0%} of the images{seen}'
            ready[place] = dict(metrics={}, looks=looks[place], stopped=said)
        alive -= behind


def _seen(rungs: Sequence[Rung], looks: Sequence[Mapping[str, float]], number: int) -> str:
    """Word how many images a look took, where the evaluator says so.

    Raises:
        UsageError: as many as the one before, of so few images.
    """
    now, before = (
        [value for name, value in look.items() if name.endswith(f'/{IMAGES}')]
        for look in (looks[number], looks[number - 1] if number else {})
    )
    if now and now == before:
        both = ' and '.join(f'{rung.share:g}' for rung in rungs[number - 1 : number + 1])
        raise UsageError(
            f'halving: the shares {both} are both {now[0]:.0f} of the images, of which there are '
            'so few: leave one of them out of the config, and begin in another --work-dir'
        )
    return f' ({now[0]:.0f})' if now else ''


def estimates(
    records: Sequence[Mapping[str, Any]], stopped: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> list[dict[str, float]]:
    """Return what candidates that stopped would have had by all images, about: their last look, and
    by how much those that were left changed from such a look on (the median).

    Args:
        records: of a search so far.
        stopped: those of them that stopped.
        names: of metrics.

    Returns:
        Costs and metrics of each; nothing where none was measured by all images.
    """
    whole = [r for r in records if r.get('looks') and is_measured(r)]
    if not whole:
        return []

    @cache
    def change(number: int, name: str) -> float:
        return median(r['metrics'][name] - r['looks'][number][name] for r in whole)

    return [
        record['costs'] | {name: look[-1][name] + change(len(look) - 1, name) for name in names}
        for record in stopped
        for look in [record['looks']]
    ]


def agreement_words(problem: Problem, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Word how many candidates stopped early, and how far each look ordered the others as the whole
    does: Kendall's tau of each metric that is an objective.
    """
    from scipy.stats import kendalltau

    whole = [r for r in records if r.get('looks') and is_measured(r)]
    stopped = sum('stopped' in record for record in records)
    if not stopped:
        return []
    words = f'{stopped} of {len(records)} candidates stopped early'
    taus = []
    for number in range(len(whole[0]['looks']) if len(whole) > 1 else 0):
        for name in problem.needed_metrics:
            pairs = [(r['looks'][number][name], r['metrics'][name]) for r in whole]
            taus.append(f'{name} {kendalltau(*zip(*pairs)).statistic:.2f}')
    if taus:
        words += f'; order of the others, look against whole, Kendall tau: {", ".join(taus)}'
    return [words]
