"""Which cheaper evaluation keeps the order of candidates, measured with a search's own supernet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import mean
from typing import Any

import numpy as np
from mmengine.device import get_device
from rich.table import Table

from nasvit_mm.errors import UsageError, check_number
from nasvit_mm.search.config import SearchPlan
from nasvit_mm.search.evaluators import SubnetEvaluator
from nasvit_mm.spaces import Arch

SHARES = (0.125, 0.25, 0.5)  # of the images, of a look before the whole or instead of it
KEPT = 0.5  # of the candidates, after a look
SAME_ORDER = 0.95  # Kendall's tau to the full evaluation from which on the order is the same
GOOD_LOOK = 0.8  # of a look, which only has to tell the better half from the worse
FEWEST = 4  # candidates; of fewer, Kendall's tau says nothing
RESAMPLES = 1000  # of the candidates, by which a tau is known to within
WITHIN = (5, 95)  # percent of these
WORTH = 0.95  # of the seconds of the full evaluation, which a way takes at most
TRIED = 4  # combinations of ways at most


@dataclass
class Way:
    """One way to evaluate, measured on the same candidates as the others.

    Attributes:
        name: what is shown.
        changes: of the evaluator's options.
        share: of the images; below 1 it is a look, and the changes are those by which it is the
            whole evaluation.
        seconds, metrics: of each candidate, in their order; on a CPU seconds of processor time.
        tau: the least of the metrics' Kendall's tau to the full evaluation.
        interval: of the tau, by candidates drawn anew out of these (bootstrap).
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0
    seconds: list[float] = field(default_factory=list)
    metrics: list[Mapping[str, float]] = field(default_factory=list)
    tau: float = 1.0
    interval: tuple[float, float] = (1.0, 1.0)

    @property
    def cost(self) -> float:
        """Return the median seconds of a candidate."""
        return float(np.median(self.seconds))

    @property
    def shown_tau(self) -> str:
        return '{:.2f} ({:.2f} to {:.2f})'.format(self.tau, *self.interval)

    def compare(self, full: Way, needed: Sequence[str]) -> None:
        """Compare the order of candidates with that of the full evaluation."""
        n = len(self.metrics)
        draws = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
        rows = np.concatenate([np.arange(n)[None], draws])  # (1 + draws, n), first as measured
        pairs = rows[..., None], rows[..., None, :]
        orders = [[_order(way.metrics, name)[pairs] for way in (self, full)] for name in needed]
        taus = np.min([_taus(*both) for both in orders], 0)  # (1 + draws,)
        self.tau = float(taus[0])
        known = taus[1:][np.isfinite(taus[1:])]  # where all draws are one candidate is no order
        self.interval = tuple(np.percentile(known, WITHIN).tolist()) if len(known) else (-1.0, 1.0)

    def away(self, full: Way, name: str) -> float:
        """Return how far a metric is from the full evaluation, on average."""
        return mean(abs(a[name] - b[name]) for a, b in zip(self.metrics, full.metrics))


def _order(metrics: Sequence[Mapping[str, float]], name: str) -> np.ndarray:
    """Return -1, 0 or 1 for each pair of candidates, (n, n)."""
    values = np.array([m[name] for m in metrics], float)
    return np.sign(values[:, None] - values)


def _taus(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b of orders (..., n, n), NaN where one of them has ties alone."""
    both = np.sqrt((first**2).sum((-2, -1)) * (second**2).sum((-2, -1)))
    with np.errstate(invalid='ignore'):
        return (first * second).sum((-2, -1)) / both


@dataclass
class Advice:
    """What was measured of an evaluator, and what to change in the config.

    Attributes:
        evaluator: its type.
        needed: metrics that decide.
        ways: all that were measured; the first is the full evaluation, as the config has it.
        chosen: the one to take; the full one where none is better.
        share: of the images for a look before the whole; None: no look orders well enough.
        refused: why a look was not tried, if one was not.
        halved: whether the config looks before it measures.
    """

    evaluator: str
    needed: list[str]
    ways: list[Way]
    chosen: Way
    share: float | None
    refused: str | None = None
    halved: bool = False

    @property
    def full(self) -> Way:
        return self.ways[0]

    @property
    def gain(self) -> float:
        """Return how many candidates are measured in the time of one; looks are not counted."""
        return self.full.cost / self.chosen.cost

    def table(self) -> Table:
        number = len(self.full.seconds)
        table = Table(title=f'{self.evaluator}: {number} candidates, each in every way')
        table.add_column('way')
        for title in ('seconds', 'tau to the full', *(f'{n}, away' for n in self.needed)):
            table.add_column(title, justify='right')
        for way in self.ways:
            away = [f'{way.away(self.full, name):.3g}' for name in self.needed]
            table.add_row(way.name, f'{way.cost:.3g}', way.shown_tau, *away)
        return table

    def words(self) -> list[str]:
        """Return what to write into the config."""
        if self.chosen is self.full:
            out = [
                f'no cheaper way keeps the order (tau of at least {SAME_ORDER}): leave the '
                'evaluator as it is'
            ]
        else:
            options = _named(self.chosen.changes)
            out = [
                f'evaluator = dict(..., {options}): {self.gain:.1f} times as many candidates an '
                f'hour, in the same order (tau {self.chosen.shown_tau})'
            ]
            if self.halved and 'share' in self.chosen.changes:
                out.append('halving: leave it out, for its looks would be a share of that share')
        if self.share is not None:
            look = next(way for way in self.ways if way.share == self.share)
            out.append(
                f'halving = dict(share={self.share:g}, keep={KEPT:g}): the worse half of a '
                f'generation is left after a look (its tau to the full: {look.shown_tau})'
            )
        if self.refused is not None:
            out.append(f'not tried: {self.refused}')
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, JSON types."""
        rows = [
            dict(
                way=way.name,
                changes=dict(way.changes),
                share=way.share,
                seconds=way.cost,
                tau=way.tau,
                interval=list(way.interval),
                away={name: way.away(self.full, name) for name in self.needed},
            )
            for way in self.ways
        ]
        chosen = dict(changes=dict(self.chosen.changes), gain=self.gain, share=self.share)
        return dict(
            evaluator=self.evaluator, number=len(self.full.seconds), ways=rows, chosen=chosen
        )


def compare_evaluations(
    plan: SearchPlan, number: int, track: Callable[[Sequence[Arch], str], Iterator[Arch]]
) -> list[Advice]:
    """Measure random feasible candidates in full and in every cheaper way that an evaluator knows.

    All ways take turns on each candidate, so that a busy minute of the machine is everyone's.

    Args:
        number: of candidates.
        track: called with the candidates and what is done; yields them and shows progress.

    Raises:
        UsageError: nothing is measured, too few candidates, or an evaluator that knows no cheaper
            way.
    """
    check_number('--advise', number, low=FEWEST, whole=True)
    if not plan.evaluators:
        raise UsageError('--advise: all objectives are costs, and no evaluation can be cheaper')
    problem = plan.problem
    archs = problem.archs(problem.sample(np.random.default_rng(0), number))
    out = []
    for spec in plan.evaluators:
        evaluator = spec.build()
        needed = [name for name in problem.needed_metrics if name in evaluator(archs[0])]
        if needed:  # of several evaluators one may only be recorded
            advice = _advise(spec.type, evaluator, archs, needed, track)
            out.append(replace(advice, halved=bool(plan.halving)))
    return out


def _advise(
    name: str, evaluator: SubnetEvaluator, archs: Sequence[Arch], needed: list[str], track: Callable
) -> Advice:
    cheaper = list(evaluator.cheaper())
    if not cheaper and not evaluator.shares:
        raise UsageError(
            f'--advise: the evaluator {name} knows no cheaper way: give it a method '
            'cheaper() or look(arch, share)'
        )
    full, looks, refused = Way('as the config has it'), [], None
    for share in SHARES if evaluator.shares else ():
        try:
            evaluator.with_options().look(archs[0], share)
        except UsageError as error:
            refused = str(error)
        else:
            all_judge = evaluator.takes_share and evaluator.share == 1
            instead = dict(share=share) if all_judge else {}
            looks.append(Way(f'{share:g} of the images', instead, share))
    singles = [Way(_named(changes), changes) for changes in cheaper]
    ways = [full, *looks, *singles]
    # Copies, for no look may use what another one remembers.
    turns = [
        (way, evaluator.with_options(**({} if way.share < 1 else way.changes))) for way in ways
    ]
    for arch in track(archs, name):
        for way, other in turns:
            _timed(way, other, arch)
    for way in (*looks, *singles):
        way.compare(full, needed)
    kinds: dict[tuple[str, ...], list[Way]] = {}
    for way in (*looks, *singles):
        if way.changes:
            kinds.setdefault(tuple(sorted(way.changes)), []).append(way)
    kept = [_cheapest(ways, SAME_ORDER) for ways in kinds.values()]
    best = [way for way in kept if way is not None and way.cost <= WORTH * full.cost]
    chosen = min(best, key=lambda way: way.cost, default=full)
    for changes in _combined(best, full.cost):
        both, other = Way(_named(changes), changes), evaluator.with_options(**changes)
        for arch in track(archs, f'{name}, {both.name}'):
            _timed(both, other, arch)
        both.compare(full, needed)
        ways.append(both)
        if both.tau >= SAME_ORDER and both.cost < chosen.cost:
            chosen = both
            break
    look = None if 'share' in chosen.changes else _cheapest(looks, GOOD_LOOK)
    return Advice(name, needed, ways, chosen, look and look.share, refused)


def _cheapest(ways: Sequence[Way], least: float) -> Way | None:
    """Return the cheapest way of a kind, the cheapest of which comes first, whose tau is enough and
    that of all dearer ones too: else it has been lucky.
    """
    found = None
    for way in reversed(ways):
        if not way.tau >= least:
            break
        found = way
    return found


def _combined(ways: Sequence[Way], full: float) -> list[dict[str, Any]]:
    """Return the changes of several ways at once, those first that should save the most.

    Args:
        ways: of different kinds.
        full: seconds of the full evaluation.
    """
    several = [some for number in range(2, len(ways) + 1) for some in combinations(ways, number)]
    several.sort(key=lambda some: sum(full - way.cost for way in some), reverse=True)
    return [{k: v for way in some for k, v in way.changes.items()} for some in several[:TRIED]]


def _named(changes: Mapping[str, Any]) -> str:
    return ', '.join(f'{key}={value!r}' for key, value in changes.items())


def _timed(way: Way, evaluator: SubnetEvaluator, arch: Arch) -> None:
    # Where only this process computes, its own time does not depend on what else the machine does.
    clock = time.process_time if get_device() == 'cpu' else time.perf_counter
    began = clock()
    if way.share < 1:
        way.metrics.append(evaluator.look(arch, way.share))
    else:
        way.metrics.append(evaluator(arch))
    way.seconds.append(clock() - began)
