"""A Dask cluster whose scheduler or workers are gone, as its client tells it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from nasvit_mm.errors import UsageError
from nasvit_mm.search import OnDask
from nasvit_mm.search.evaluators.execute import prepare

pytest.importorskip('distributed')
HERE = 'tcp://x:1'


class Client:
    """A client, as far as it is asked."""

    status = 'running'
    scheduler = SimpleNamespace(identity=None)

    def __init__(self, *workers: str) -> None:
        self.workers, self.restarted = workers, None
        self.futures: list[Future] = []

    def get_executor(self, pure: bool) -> None:
        assert not pure

    def sync(self, call: Any, callback_timeout: float) -> dict[str, Any]:
        return dict(workers=dict.fromkeys(self.workers))

    def processing(self) -> dict[str, tuple[str, ...]]:
        return {'a': ('evaluate_candidate-1',), 'b': (), 'c': ('of-another-user',)}

    def restart_workers(self, workers: list[str], timeout: float) -> None:
        self.restarted = workers
        assert all(future.cancelled() for future in self.futures)


def hung(*_: Any, **__: Any) -> None:
    raise TimeoutError


@pytest.mark.parametrize(
    'changes', [dict(status='closed'), dict(status='connecting'), dict(sync=hung)]
)
def test_a_scheduler_that_is_gone_ends_the_search(changes: dict[str, Any]) -> None:
    client = Client('a')
    cluster = OnDask(client, HERE, patience=0.2)
    time.sleep(0.05)
    vars(client).update(changes)
    with pytest.raises(UsageError, match=f'--dask {HERE}: the scheduler is gone; .*--resume'):
        cluster.check()


def test_a_scheduler_that_comes_back_in_time() -> None:
    client = Client('a')
    client.status = 'connecting'
    threading.Timer(0.1, lambda: setattr(client, 'status', 'running')).start()
    OnDask(client, HERE, patience=20).check()


def test_workers_that_are_gone_for_too_long() -> None:
    client = Client('a')
    cluster = OnDask(client, HERE, patience=0.05)
    client.workers = ()
    cluster.check()
    time.sleep(0.3)
    with pytest.raises(UsageError, match=r'has had no worker for 0 s: start some .*--resume'):
        cluster.check()


def test_new_workers_get_ready_before_the_time_of_a_candidate_begins() -> None:
    """Each once, and again where it was restarted."""
    client, asked = Client('a', 'b'), []

    def submit(function: Any, specs: tuple, workers: list[str], pure: bool) -> Any:
        assert function is prepare and specs == ('spec',) and not pure
        asked.extend(workers)
        return SimpleNamespace(done=lambda: True)

    client.submit = submit
    cluster = OnDask(client, HERE, time_limit=5.0)
    for workers, new in (('ab', 'ab'), ('ab', ''), ('abc', 'c')):
        client.workers = tuple(workers)
        cluster.prepare(('spec',))
        assert sorted(asked) == list(new)
        asked.clear()
    cluster.free([])
    cluster.prepare(('spec',))
    assert asked == client.restarted == ['a']


def test_candidates_that_wait_for_a_worker_are_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their only worker is gone, by no deed of theirs."""
    client = Client()
    client.processing = dict
    executor = SimpleNamespace(submit=lambda *_: Future())
    cluster = OnDask(client, HERE, time_limit=0.05)
    monkeypatch.setattr(cluster, 'executor', executor)
    monkeypatch.setattr(cluster, 'prepare', lambda specs: None)
    monkeypatch.setattr(cluster, 'patience', 0.05)
    with pytest.raises(UsageError, match='has had no worker for 0 s'):
        list(cluster.run((), [{}]))
    assert client.restarted is None


def test_workers_that_hang_are_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of this search alone, and nothing that hangs goes elsewhere; without nanny: which."""
    client = Client()
    cluster = OnDask(client, HERE, time_limit=5.0)
    client.futures = [Future()]
    assert cluster.free(client.futures) and client.restarted == ['a']

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError('no nanny')

    monkeypatch.setattr(client, 'restart_workers', refuse)
    with pytest.raises(UsageError, match=r'workers a cannot be restarted \(no nanny\)'):
        cluster.free([Future()])
