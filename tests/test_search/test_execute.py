"""Where candidates are evaluated: threads, a Dask cluster, ranks."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from torch.distributed import HashStore

from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.search import Archive, EvaluationError, InProcess, OnDask, OnExecutor, OverRanks
from tests.test_search.common import TOY, run, spec
from tests.test_search.test_archive import bytes_of, calls
from tests.test_search.toy import Toy


def test_threads_take_turns(tmp_path, monkeypatch):
    """The evaluator is built once, and seeds what is its process's."""
    built, active, most = [], [], []
    build, call = Toy.__init__, Toy.__call__

    def init(self, *args, **kwargs):
        built.append(self)
        time.sleep(0.05)
        build(self, *args, **kwargs)

    def one_at_a_time(self, arch):
        active.append(arch)
        most.append(len(active))
        time.sleep(0.002)
        active.remove(arch)
        return call(self, arch)

    run(tmp_path / 'serial')
    monkeypatch.setattr(Toy, '__init__', init)
    monkeypatch.setattr(Toy, '__call__', one_at_a_time)
    with ThreadPoolExecutor(4) as executor:
        run(tmp_path / 'threads', evaluator=dict(TOY, seconds=0.001), backend=OnExecutor(executor))
    assert max(most) == len(built) == 1
    assert bytes_of(tmp_path / 'serial') == bytes_of(tmp_path / 'threads')


@pytest.mark.slow
def test_a_dask_worker_is_killed(tmp_path):
    """Two worker processes, one dies in the midst: its candidate is evaluated by the other."""
    from distributed import Client, LocalCluster

    run(tmp_path / 'serial')
    victim, log = tmp_path / 'victim', tmp_path / 'log'
    toy = dict(TOY, log=str(log), die=str(victim), seconds=0.02)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        run(tmp_path / 'dask', evaluator=toy, backend=OnDask(client, cluster.scheduler_address))
    assert victim.exists()
    assert bytes_of(tmp_path / 'serial') == bytes_of(tmp_path / 'dask')
    # What the victim had not handed over yet is evaluated anew, not what the search had.
    assert len(set(calls(log))) == 36 and len(calls(log)) <= 36 + 12


class Broken(ThreadPoolExecutor):
    """Takes nothing."""

    def submit(self, *args):
        raise BrokenProcessPool('broken')


def test_an_executor_that_stays_broken(tmp_path):
    with pytest.raises(UsageError, match='the executor takes no candidates .*broken.*: resume'):
        run(tmp_path, backend=OnExecutor(Broken(1), [BrokenProcessPool]))


def test_a_worker_that_outlives_a_search_reads_files_anew(tmp_path, monkeypatch):
    built, build = [], Toy.__init__
    monkeypatch.setattr(
        Toy,
        '__init__',
        lambda self, *args, **kwargs: (built.append(self), build(self, *args, **kwargs))[1],
    )
    with ThreadPoolExecutor(1) as executor:
        for number, content in enumerate('aab'):
            evaluator = spec(dict(TOY, seconds=0.0001), dict(weights=content))
            run(tmp_path / str(number), evaluator=evaluator, backend=OnExecutor(executor))
    assert len(built) == 2


# ---------------------------------------------------------------------- ranks
def together(*jobs) -> list:
    """What each of some ranks returns, or raises."""
    out = [None] * len(jobs)

    def work(i: int) -> None:
        try:
            out[i] = jobs[i]()
        except Exception as error:
            out[i] = error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return out


@pytest.fixture
def scored(monkeypatch):
    def measure(self, bad, arch):
        time.sleep(0.01)
        if arch in bad:
            raise UsageError('no such pictures')
        return dict(score=float(arch['i']))

    monkeypatch.setattr(InProcess, 'measure', measure)


def archs(*numbers: int) -> list[dict]:
    return [dict(i=i) for i in numbers]


def test_ranks_share_the_work(scored):
    store = HashStore()
    found = together(*[lambda: dict(OverRanks(store).run((), archs(*range(8))))] * 2)
    assert found == [{i: dict(score=float(i)) for i in range(8)}] * 2


def test_ranks_that_ask_for_different_candidates(scored):
    store = HashStore()
    found = together(
        lambda: dict(OverRanks(store).run((), archs(5, 6, 7))),
        lambda: dict(OverRanks(store).run((), archs(0, 1, 2))),
    )
    assert any('the ranks ask for different candidates' in str(each) for each in found)
    assert all(
        isinstance(each, UsageError)
        or each == {i: dict(score=i + 5.0) for i in range(3)}
        or each == {i: dict(score=float(i)) for i in range(3)}
        for each in found
    )


def test_an_error_of_one_rank_reaches_all(scored):
    store = HashStore()
    found = together(*[lambda: dict(OverRanks(store).run((dict(i=2),), archs(*range(6))))] * 2)
    kinds = sorted(type(each).__name__ for each in found)
    assert kinds == ['EvaluationError', 'UsageError']  # who met it, who waits
    assert all('no such pictures' in str(each) for each in found)
    assert issubclass(EvaluationError, DataError)  # which a command shows from any rank


def test_the_first_rank_reads_the_archive_for_all(tmp_path, monkeypatch):
    """The other one's folder is of another machine, and empty."""
    records = run(tmp_path / 'whole')
    log, whole = tmp_path / 'log', bytes_of(tmp_path / 'whole')
    (tmp_path / 'first').mkdir()
    (tmp_path / 'first/archive.jsonl').write_bytes(b''.join(whole.splitlines(keepends=True)[:9]))
    store, logged = HashStore(), dict(TOY, log=str(log))

    def rank(folder: Path, first: bool) -> list[dict]:
        ranks = OverRanks(store)
        if first:
            archive = Archive.open(folder, dict(search='nsga2'), resume=True)
            ranks.share(archive.records)
        else:
            archive = Archive.shared(folder, dict(search='nsga2'), ranks.share())
        return run(folder, evaluator=logged, backend=ranks, archive=archive)

    found = together(
        lambda: rank(tmp_path / 'first', True), lambda: rank(tmp_path / 'second', False)
    )
    assert found == [records, records]
    assert bytes_of(tmp_path / 'first') == whole and not (tmp_path / 'second').exists()
    assert len(calls(log)) == 36 - 8
