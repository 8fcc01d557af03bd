"""Where candidates are evaluated: threads, a Dask cluster, ranks."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from nasvit_mm.errors import UsageError
from nasvit_mm.search import OnDask, OnExecutor
from nasvit_mm.search.evaluators.on_dask import await_workers
from tests.test_search.common import TOY, run, spec
from tests.test_search.test_archive import bytes_of, calls
from tests.test_search.test_bad_candidates import sum_of_genes
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


@pytest.mark.slow
def test_a_dask_worker_is_slow(tmp_path):
    """Two worker processes, nobody waits for the slow one; the archive has the order of asking."""
    from distributed import Client, LocalCluster

    run(tmp_path / 'serial')
    slow = tmp_path / 'slow'
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        toy = dict(TOY, slow=str(slow))
        run(tmp_path / 'dask', evaluator=toy, backend=OnDask(client, cluster.scheduler_address))
    assert bytes_of(tmp_path / 'serial') == bytes_of(tmp_path / 'dask')
    assert 0 < len(calls(slow)) < 36 / 3


@pytest.mark.slow
def test_a_dask_cluster_without_workers(tmp_path):
    """Without any nothing begins; once all are gone the search ends, and what it has is kept."""
    from distributed import Client, LocalCluster

    log = tmp_path / 'log'

    def leave() -> None:
        while not log.exists() or len(calls(log)) < 5:
            time.sleep(0.05)
        cluster.scale(0)

    with (
        LocalCluster(
            n_workers=0, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        address = cluster.scheduler_address
        with pytest.raises(UsageError, match=f'--dask {address}: .* has no worker after 1 s'):
            await_workers(client, address, 1)
        cluster.scale(1)
        await_workers(client, address)
        leaving = threading.Thread(target=leave, daemon=True)
        leaving.start()
        backend = OnDask(client, address, patience=1.0)
        with pytest.raises(UsageError, match=f'--dask {address}: .* no worker for 5 s: .*--resume'):
            run(tmp_path / 'dask', evaluator=dict(TOY, log=str(log), seconds=0.1), backend=backend)
        leaving.join()
    assert len(bytes_of(tmp_path / 'dask').splitlines()) > 3
    run(tmp_path / 'serial')
    run(tmp_path / 'dask', resume=True, evaluator=dict(TOY, log=str(log), seconds=0.1))
    assert bytes_of(tmp_path / 'serial') == bytes_of(tmp_path / 'dask')
    assert len(calls(log)) <= 36 + 2


@pytest.mark.nightly
def test_a_time_limit_below_what_a_restart_takes_blames_no_innocent(tmp_path):
    """A worker that is restarted takes long to get ready; that is no candidate's time."""
    from distributed import Client, LocalCluster

    sums = [sum_of_genes(r['arch']) for r in run(tmp_path / 'serial', 'random', generations=1)]
    bad = next(s for s in sums if sum(other % s == 0 for other in sums) == 1)
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        backend = OnDask(client, cluster.scheduler_address, time_limit=20.0)
        hangs = dict(TOY, harm='hang', bad=bad, ready=30.0)
        records = run(tmp_path, 'random', generations=1, evaluator=hangs, backend=backend)
    failed = {r['index']: r['failed'] for r in records if 'failed' in r}
    assert failed == {sums.index(bad): 'it took longer than time_limit = 20 s'}


class Unsure(ThreadPoolExecutor):
    """Fails of itself, as Dask does where it cannot read what it is sent."""

    submitted, fails = 0, range(3, 4)

    def submit(self, *args):
        self.submitted += 1
        if self.submitted not in self.fails:
            return super().submit(*args)
        future = Future()
        future.set_exception(RuntimeError('Error during deserialization'))
        return future


def test_an_executor_that_fails_of_itself(tmp_path):
    with Unsure(1) as executor:
        assert not any('failed' in r for r in run(tmp_path / 'a', backend=OnExecutor(executor)))
        executor.fails = range(10_000)
        reason = r'none of 12 .*there \(RuntimeError: Error during deserialization\); mend'
        with pytest.raises(UsageError, match=reason):
            run(tmp_path / 'b', backend=OnExecutor(executor))


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
