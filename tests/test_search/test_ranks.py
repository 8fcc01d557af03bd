"""A search on ranks: they share the work, and end where one of them does."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
from torch.distributed import HashStore, TCPStore

from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.search import Archive, EvaluationError, Failed, InProcess, OverRanks, RankError
from nasvit_mm.search.evaluators.base import CandidateError
from nasvit_mm.search.evaluators.heartbeat import Heartbeat
from tests.test_search.common import TOY, run
from tests.test_search.test_archive import bytes_of, calls

FORK = get_context('fork')
BEAT, SILENT = 0.05, 1.5


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
    monkeypatch.setattr(InProcess, '_build', lambda self, specs: None)


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


def test_a_bad_candidate_fails_on_all_ranks(monkeypatch):
    def measure(self, specs, arch):
        if arch['i'] == 2:
            raise CandidateError('boom')
        return dict(score=float(arch['i']))

    monkeypatch.setattr(InProcess, 'measure', measure)
    store = HashStore()
    found = together(*[lambda: dict(OverRanks(store).run((), archs(*range(4))))] * 2)
    assert found == [
        {**{i: dict(score=float(i)) for i in (0, 1, 3)}, 2: Failed('boom')} for _ in range(2)
    ]


# ---------------------------------------------------------------------- processes that die
def rank(number: int, size: int, ports: tuple, out, seconds: float, folder: Path) -> None:
    """Be a rank; the first one holds the store."""
    if number == 0:
        store = TCPStore('localhost', 0, None, True, timedelta(seconds=20), wait_for_workers=False)
        for _ in range(size - 1):
            ports[1].send(store.port)
    else:
        store = TCPStore('localhost', ports[0].recv(), None, False, timedelta(seconds=20))
    ranks = OverRanks(store, Heartbeat(store, number, size, BEAT, SILENT))
    out.send((number, 'began'))
    try:
        run(folder / str(number), evaluator=dict(TOY, seconds=seconds), backend=ranks)
        ranks.meet('end')
        out.send((number, 'ended'))
    except RankError as error:
        out.send((number, str(error)))


class Ranks:
    """Three ranks in processes of their own."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.said, out = FORK.Pipe(False)
        ports = FORK.Pipe(False)
        self.processes = [
            FORK.Process(target=rank, args=(i, 3, ports, out, seconds, folder)) for i in range(3)
        ]
        for process in self.processes:
            process.start()
        assert {self.hear() for _ in range(3)} == {(i, 'began') for i in range(3)}

    def hear(self) -> tuple[int, str]:
        assert self.said.poll(30), 'the ranks hang'
        return self.said.recv()

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


@pytest.fixture
def ranks(tmp_path):
    made = []
    yield lambda seconds: made.append(Ranks(tmp_path, seconds)) or made[0]
    made[0].end()


@pytest.mark.parametrize('with_what', [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize('victim', [0, 1])
def test_a_rank_that_dies_or_hangs_ends_the_others(victim, with_what, ranks):
    """With a sentence that names it; the first one holds the store."""
    three = ranks(0.05)
    os.kill(three.processes[victim].pid, with_what)
    heard = dict(three.hear() for _ in range(2))
    assert set(heard) == {0, 1, 2} - {victim}
    assert all(f'rank {victim}' in text and '--resume' in text for text in heard.values()), heard


def test_a_rank_that_is_slow_is_not_taken_for_dead():
    """It evaluates longer than a rank may be silent; a thread of it gives signs of life."""
    store = HashStore()
    lives = [Heartbeat(store, i, 2, 0.02, 0.3) for i in range(2)]
    time.sleep(0.9)
    for life in lives:
        life.check()
        life.leave()


def test_a_search_that_ends_on_one_rank_ends_on_all():
    """Here on a full disk, which only the rank that writes the archive meets."""
    store = HashStore()
    lives = [Heartbeat(store, i, 2, 0.01, 5.0) for i in range(2)]
    lives[0].check()
    lives[1].leave('the disk is full')
    time.sleep(0.2)
    with pytest.raises(RankError, match='the search ended on rank 1: the disk is full'):
        lives[0].check()
