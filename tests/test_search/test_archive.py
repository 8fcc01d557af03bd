"""The archive: killed at any byte, another search's, results before their turn."""
from __future__ import annotations

import json
import os
import random
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import pytest

from nasvit_mm.engine import UsageError
from nasvit_mm.search import Archive, Workers
from tests.test_search.common import TOY, algorithm, problem, run


class Shuffled(Executor):
    """Runs at once; results are ready in another order."""

    def submit(self, fn, *args):
        future = Future()
        future.set_result(fn(*args))
        return future


def calls(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def bytes_of(folder: Path) -> bytes:
    return (folder / 'archive.jsonl').read_bytes()


def test_a_line_for_every_candidate_in_ask_order(tmp_path):
    records = run(tmp_path)
    lines = [json.loads(line) for line in bytes_of(tmp_path).splitlines()]
    assert lines[0] == dict(search='nsga2') and lines[1:] == records
    assert [r['index'] for r in records] == list(range(36))
    assert set(records[0]) == {'index', 'generation', 'arch', 'costs', 'metrics'}
    asked = problem().archs(algorithm(problem()).ask())
    assert [r['arch'] for r in records[:12]] == [a.to_dict() for a in asked]


def test_killed_at_every_byte(tmp_path):
    """Whatever part of the archive was written, the rest is the same; nothing whole is redone."""
    sizes = dict(population=2, generations=2)
    run(tmp_path / 'whole', 'nsga2', **sizes)
    whole = bytes_of(tmp_path / 'whole')
    for size in range(len(whole) + 1):
        folder, log = tmp_path / 'cut', tmp_path / 'log'
        folder.mkdir(exist_ok=True)
        (folder / 'archive.jsonl').write_bytes(whole[:size])
        log.unlink(missing_ok=True)
        run(folder, 'nsga2', resume=True, evaluator=dict(TOY, log=str(log)), **sizes)
        assert bytes_of(folder) == whole, size
        assert len(calls(log)) == 4 - max(0, whole[:size].count(b'\n') - 1)


def test_more_generations_go_on(tmp_path):
    run(tmp_path / 'short')
    log = tmp_path / 'log'
    run(tmp_path / 'short', resume=True, generations=5, evaluator=dict(TOY, log=str(log)))
    run(tmp_path / 'long', generations=5)
    assert bytes_of(tmp_path / 'short') == bytes_of(tmp_path / 'long')
    assert len(calls(log)) == 24


def test_no_call_outside_the_budget_and_none_twice(tmp_path):
    log = tmp_path / 'log'
    records = run(tmp_path, evaluator=dict(TOY, log=str(log)), generations=6)
    of = problem()
    assert len(calls(log)) == len(set(calls(log))) == len(records)
    assert of.feasible(of.space.genes([of.space.arch(r['arch']) for r in records])).all()


def test_another_search_is_refused(tmp_path):
    run(tmp_path, identity=dict(search=1, seed=0))
    before = bytes_of(tmp_path)
    with pytest.raises(UsageError, match=r'of another search: seed differ \(there seed = 0, now 1'):
        run(tmp_path, resume=True, identity=dict(search=1, seed=1))
    with pytest.raises(UsageError, match='is there already: give --resume'):
        run(tmp_path, identity=dict(search=1, seed=0))
    assert bytes_of(tmp_path) == before


def test_a_damaged_line_is_named(tmp_path):
    run(tmp_path)
    lines = bytes_of(tmp_path).splitlines(keepends=True)
    lines[4] = b'{"index": 3, "ar\n'
    (tmp_path / 'archive.jsonl').write_bytes(b''.join(lines))
    with pytest.raises(UsageError, match='line 5 of .* is damaged'):
        run(tmp_path, resume=True)


def test_an_archive_of_other_candidates_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(UsageError, match='candidate 0 .* is not the one'):
        run(tmp_path, resume=True, seed=3)


def test_the_order_of_results_does_not_matter(tmp_path, monkeypatch):
    def shuffled(futures):
        order = list(futures)
        random.Random(1).shuffle(order)
        return order
    run(tmp_path / 'serial')
    monkeypatch.setattr('nasvit_mm.search.execute.as_completed', shuffled)
    run(tmp_path / 'shuffled', backend=Workers(Shuffled()))
    assert bytes_of(tmp_path / 'serial') == bytes_of(tmp_path / 'shuffled')
    assert os.listdir(tmp_path / 'shuffled') == ['archive.jsonl']


def test_results_before_their_turn_are_kept(tmp_path, monkeypatch):
    """The first candidate's result never comes; those behind it are not evaluated again."""
    log = tmp_path / 'log'

    def stuck(futures):
        yield from list(futures)[1:8]
        raise KeyboardInterrupt
    monkeypatch.setattr('nasvit_mm.search.execute.as_completed', stuck)
    logged = dict(TOY, log=str(log))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / 'cut', evaluator=logged, backend=Workers(Shuffled()))
    monkeypatch.undo()
    log.unlink()
    with (tmp_path / 'cut/ahead.jsonl').open('ab') as file:
        file.write(b'{"index": 9, "arch')  # cut off
    run(tmp_path / 'cut', resume=True, evaluator=logged)
    assert len(calls(log)) == 36 - 7
    run(tmp_path / 'whole')
    assert bytes_of(tmp_path / 'cut') == bytes_of(tmp_path / 'whole')
    assert os.listdir(tmp_path / 'cut') == ['archive.jsonl']


@pytest.mark.slow
def test_processes(tmp_path):
    run(tmp_path / 'serial')
    with ProcessPoolExecutor(2, mp_context=get_context('spawn')) as executor:
        run(tmp_path / 'two', backend=Workers(executor, [BrokenProcessPool]))
    assert bytes_of(tmp_path / 'serial') == bytes_of(tmp_path / 'two')


@pytest.mark.slow
def test_a_dask_worker_is_killed(tmp_path):
    """Two worker processes, one dies in the midst: its candidate is evaluated by the other."""
    from distributed import Client, KilledWorker, LocalCluster
    run(tmp_path / 'serial')
    victim, log = tmp_path / 'victim', tmp_path / 'log'
    victim.touch()
    toy = dict(TOY, log=str(log), die=str(victim), seconds=0.02)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                      dashboard_address=None) as cluster, Client(cluster) as client:
        run(tmp_path / 'dask', evaluator=toy,
            backend=Workers(client.get_executor(), [KilledWorker]))
    assert not victim.exists()
    assert bytes_of(tmp_path / 'serial') == bytes_of(tmp_path / 'dask')
    assert len(set(calls(log))) == 36


@pytest.mark.parametrize(('figures', 'message'), [
    (dict(other=1.0), "gives no 'score'; it gives other"),
    (dict(score=float('nan')), 'score = nan of the candidate')])
def test_figures_that_are_none(tmp_path, monkeypatch, figures, message):
    from tests.test_search.toy import Toy
    monkeypatch.setattr(Toy, '__call__', lambda self, arch: figures)
    with pytest.raises(UsageError, match=message):
        run(tmp_path, 'random')
    assert len(Archive(tmp_path, dict(search='random'), resume=True).lines) == 0
