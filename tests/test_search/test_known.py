"""An earlier search under other bounds: what it says, and a search that goes on from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from nasvit_mm import apis
from nasvit_mm.cli import search as cli
from nasvit_mm.errors import UsageError
from nasvit_mm.search import Known, Search, begin_with, read_search, with_bounds
from nasvit_mm.search.config import SearchPlan
from nasvit_mm.search.known import bounds
from tests.families import small
from tests.test_search import toy  # noqa: F401 (registers the evaluator)


def config(log: Path, **evaluator) -> dict:
    return dict(
        space=small('nasvit').to_dict(),
        objectives=['score', 'macs'],
        evaluator=dict(type='Toy', log=str(log), **evaluator),
        algorithm=dict(type='nsga2', population=12, generations=3),
    )


def asked(log: Path) -> list[str]:
    return log.read_text().splitlines()


@pytest.fixture(scope='module')
def log(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp('log') / 'calls'


@pytest.fixture(scope='module')
def earlier(log, tmp_path_factory) -> Search:
    return apis.run_search(config(log), tmp_path_factory.mktemp('earlier') / 'run', quiet=True)


def middle(search: Search) -> float:
    macs = sorted(r['costs']['macs'] for r in search.records)
    return float(macs[len(macs) // 2])


def test_the_front_under_another_budget(log, earlier) -> None:
    budget, calls = middle(earlier), asked(log)
    found = apis.reconsider(config(log), earlier.folder, high=dict(macs=budget))
    within = {r['index'] for r in earlier.records if r['costs']['macs'] <= budget}
    assert {r['index'] for r in found.records} == within
    assert {r['index'] for r in found.front} <= within and found.front
    best = max(found.records, key=lambda r: r['metrics']['score'])
    assert best in found.front
    assert asked(log) == calls


def test_what_nobody_has_looked_at(log, earlier) -> None:
    """The parts of the range without a candidate, and all of them together with the others."""
    found = apis.reconsider(config(log), earlier.folder)
    low, high = found.problem.reach('macs')
    edges = [low + (high - low) * i / 10 for i in range(11)]
    macs = [r['costs']['macs'] for r in earlier.records]
    empty = [not any(a <= m < b for m in macs) for a, b in zip(edges, edges[1:])]
    parts = sum(round((gap.high - gap.low) / (high - low) * 10) for gap in found.gaps)
    assert parts == sum(empty[:-1]) + (empty[-1] and max(macs) < high)
    (line,) = found.words()
    assert line.startswith('macs: the bounds leave ')


def test_a_range_that_is_new(log, earlier) -> None:
    """Above all candidates: the whole range is open."""
    top = max(r['costs']['macs'] for r in earlier.records)
    found = apis.reconsider(config(log), earlier.folder, low=dict(macs=top + 1))
    assert found.records == [] and len(found.gaps) == 1
    assert found.gaps[0].low == top + 1 and found.gaps[0].high == found.problem.reach('macs')[1]


def test_a_search_goes_on_from_it(log, earlier, tmp_path) -> None:
    """Nobody who is known is evaluated, what is known is recorded, and it resumes to the byte."""
    budget, calls = middle(earlier), len(asked(log))
    options = dict(known=earlier.folder, high=dict(macs=budget), quiet=True)
    found = apis.run_search(config(log), tmp_path / 'more', **options)
    known = {json.dumps(r['arch']): r for r in earlier.records}
    again = [r for r in found.records if json.dumps(r['arch']) in known]
    assert again and all(r['metrics'] == known[json.dumps(r['arch'])]['metrics'] for r in again)
    assert len(asked(log)) - calls == len(found.records) - len(again)
    assert all(r['costs']['macs'] <= budget for r in found.records)

    archive = tmp_path / 'more/archive.jsonl'
    whole = archive.read_bytes()
    archive.write_bytes(b''.join(whole.splitlines(keepends=True)[:15]))
    apis.run_search(config(log), tmp_path / 'more', resume=True, **options)
    assert archive.read_bytes() == whole


def plan_of(log: Path, earlier: Search, bounds: dict | None = None, **changes) -> SearchPlan:
    """The plan of a search that goes on from the earlier one, with bounds on MACs."""
    constraints = [dict(metric='macs', **bounds)] if bounds else []
    cfg = Config(dict(config(log), constraints=constraints, **changes))
    plan = read_search(cfg)
    return begin_with(cfg, plan, Known(earlier.folder, plan))


def genes_of(plan: SearchPlan, records: list[dict]) -> list[tuple[int, ...]]:
    space = plan.problem.space
    return [tuple(row) for row in space.genes([space.arch(r['arch']) for r in records])]


def test_a_front_that_is_too_long_is_spread(log, earlier) -> None:
    """Not cut to one end; and the user's own architectures begin, too."""
    best = earlier.front()
    assert len(best) > 6
    most = max(r['costs']['macs'] for r in earlier.records)  # the whole range is looked at, nearly
    own = small('nasvit').sample(7).to_dict()
    options = dict(type='nsga2', population=5, generations=3)
    plan = plan_of(log, earlier, dict(high=most), algorithm=options, initial=[own])
    first, *others = plan.algorithm.ask()
    assert tuple(first) == tuple(plan.problem.space.genes([own])[0])
    front = genes_of(plan, best)
    begun = [tuple(row) for row in others if tuple(row) in front]
    assert len(begun) >= 2 and {front[0], front[-1]} <= set(begun)


def test_the_first_generation_looks_where_nobody_has(log, earlier) -> None:
    """At most half of it is the earlier front; the others are one of each open part in turn."""
    macs = sorted(r['costs']['macs'] for r in earlier.records)
    plan = plan_of(log, earlier)
    low, high = bounds(plan.problem, 'macs')
    edges = np.linspace(low, high, 11)
    empty = [not any(a <= m < b for m in macs) for a, b in zip(edges, edges[1:])]
    asked = plan.algorithm.ask()
    known = genes_of(plan, earlier.records)
    new = asked[[tuple(row) not in known for row in asked]]
    parts = np.searchsorted(edges, plan.problem.costs(new)['macs'], side='right') - 1
    assert any(empty) and len(new) >= 6
    assert {empty[min(part, 9)] for part in parts} == {True}
    assert len(set(parts)) == min(sum(empty), len(new))


SURROGATE = dict(
    type='surrogate',
    population=12,
    batch=4,
    generations=3,
    inner_population=20,
    inner_generations=2,
)


def test_a_predictor_begins_with_what_is_known(log, earlier, tmp_path) -> None:
    """Before the first candidate; and the search resumes to the byte."""
    cfg, options = config(log) | dict(algorithm=SURROGATE), dict(known=earlier.folder, quiet=True)
    found = apis.run_search(cfg, tmp_path / 'more', **options)
    assert found.identity['known']
    plan = plan_of(log, earlier, algorithm=SURROGATE)
    assert len(plan.algorithm._known[0]) == len(earlier.records)
    archive = tmp_path / 'more/archive.jsonl'
    whole = archive.read_bytes()
    archive.write_bytes(b''.join(whole.splitlines(keepends=True)[:15]))
    apis.run_search(cfg, tmp_path / 'more', resume=True, **options)
    assert archive.read_bytes() == whole


def test_a_predictor_of_whose_range_nothing_is_known(log, earlier) -> None:
    """Begins with candidates of the open range, as one that goes on from nothing."""
    top = max(r['costs']['macs'] for r in earlier.records)
    plan = plan_of(log, earlier, dict(low=top + 1), algorithm=SURROGATE)
    genes = plan.algorithm.ask()
    assert len(genes) == 12 and plan.problem.costs(genes)['macs'].min() > top


def test_another_evaluator_is_refused(log, earlier) -> None:
    with pytest.raises(UsageError, match=r'metrics of something else: evaluator\.bad'):
        apis.reconsider(config(log, bad=5), earlier.folder)


def test_another_space_is_refused(log, earlier, tmp_path) -> None:
    """In a sentence, not as a front of no candidates; whether it looks back or goes on."""
    other = small('elasticvit')
    told = r'run: none of its \d+ candidates is in the space .* of the first: .*elasticvit'
    cfg = dict(config(log), space=other.to_dict())
    with pytest.raises(UsageError, match=told):
        apis.reconsider(cfg, earlier.folder)
    with pytest.raises(UsageError, match=told):
        apis.run_search(cfg, tmp_path / 'more', known=earlier.folder, quiet=True)


@pytest.mark.parametrize(
    'flags',
    [
        ['--resume'],
        ['--workers', '2'],
        ['--dask', 'tcp://x:1'],
        ['--time-limit', '0'],
        ['--tensorboard'],
        ['--work-dir', 'x'],
        ['--launcher', 'pytorch'],
        ['--skip-data-check'],
    ],
)
def test_what_is_of_a_search_is_refused_where_none_runs(flags, earlier) -> None:
    cfg = 'configs/search/nasvit_ade20k_5g_search.py'
    with pytest.raises(UsageError, match=f'{flags[0]} is of a search, and --from .* --extend too'):
        cli.main([cfg, '--from', str(earlier.folder), *flags])


def test_bounds_take_the_place_of_the_configs() -> None:
    given = [dict(metric='macs', low=1, high=5), dict(metric='params', high=7)]
    assert with_bounds(given, low=dict(latency=2), high=dict(macs=3)) == [
        dict(metric='macs', low=1, high=3),
        dict(metric='params', high=7),
        dict(metric='latency', low=2),
    ]
