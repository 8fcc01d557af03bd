"""One bad candidate: it raises, exits, ends its process or hangs, and the search goes on."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest

from nasvit_mm.cli import search as command
from nasvit_mm.errors import UsageError
from nasvit_mm.search import Archive, InProcess, OnExecutor, Workers, search
from nasvit_mm.search.evaluators.workers import VISIBLE
from nasvit_mm.search.loop import Silent
from tests.test_search.common import TOY, algorithm, problem, run, spec
from tests.test_search.test_archive import bytes_of, calls
from tests.test_search.toy import Own, Toy

FORK = get_context('fork')  # a fork has what takes a fresh process seconds to import
LIMIT, BAD = 0.3, 13
REASONS = {
    'raise': 'the evaluator Toy raises RuntimeError: boom',
    'raise otherwise': 'the evaluator Toy raises Own: boom',
    'exit': 'the evaluator Toy raises SystemExit: 3',
    'leave': 'it ended its worker process (exit code 4)',
    'kill': 'it ended its worker process (SIGKILL: was there too little memory?)',
    'hang': 'it took longer than time_limit = 0.3 s',
}


def workers(number: int = 2, time_limit: float | None = None, **options) -> Workers:
    return Workers(number, time_limit, context=FORK, **options)


def sum_of_genes(arch: dict) -> int:
    space = problem().space
    return int(space.genes(space.arch(arch)).sum())


def harmed(folder: Path, harm: str, backend=None, **options) -> list[dict]:
    """A search some of whose candidates are bad: these have failed, for the reason, and all others
    have their metrics.
    """
    records = run(
        folder, 'random', evaluator=dict(TOY, harm=harm, bad=BAD, **options), backend=backend
    )
    bad = [record for record in records if sum_of_genes(record['arch']) % BAD == 0]
    assert 0 < len(bad) < 12 and len(records) == 36
    assert [record.get('failed') for record in bad] == [REASONS[harm]] * len(bad)
    assert all(('failed' in record) == (record in bad) for record in records)
    assert all(record['metrics'] for record in records if record not in bad)
    return records


@pytest.mark.parametrize('harm', REASONS)
def test_on_workers(harm, tmp_path):
    with closing(workers(2, LIMIT if harm == 'hang' else None)) as backend:
        records = harmed(tmp_path, harm, backend)
    log = tmp_path / 'log'
    again = run(tmp_path, 'random', resume=True, evaluator=dict(TOY, log=str(log), harm=harm))
    assert again == records and not log.exists()


@pytest.mark.parametrize('harm', ['raise', 'raise otherwise', 'exit', 'hang'])
def test_in_this_process(harm, tmp_path):
    harmed(tmp_path, harm, InProcess(LIMIT if harm == 'hang' else None))


@pytest.mark.parametrize('place', ['here', 'workers'])
def test_getting_ready_is_no_candidates_time(place, tmp_path):
    """After one that hangs the evaluators are built anew: no other candidate is to blame for how
    long that takes.
    """
    with closing(workers(2, LIMIT)) as processes:
        where = processes if place == 'workers' else InProcess(LIMIT)
        harmed(tmp_path, 'hang', where, ready=2 * LIMIT)


def test_a_worker_that_never_gets_ready_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr('nasvit_mm.search.evaluators.workers.STARTING', LIMIT)
    monkeypatch.setattr(Toy, '__init__', lambda *args, **kwargs: time.sleep(1000))
    reason = r'none of 12 .*its worker process was not ready after 0\.3 s'
    new = dict(TOY, log=str(tmp_path / 'log'))  # which no test before has built, to be forked with
    with closing(workers(4, LIMIT / 2)) as backend, pytest.raises(UsageError, match=reason):
        run(tmp_path, evaluator=new, backend=backend)


@pytest.mark.parametrize('harm', ['raise', 'exit'])
def test_on_an_executor(harm, tmp_path):
    with ThreadPoolExecutor(2) as executor:
        harmed(tmp_path, harm, OnExecutor(executor))


@pytest.mark.parametrize(
    ('key', 'flag', 'limit'),
    [('', (), 3600), ('time_limit = 5', (), 5), ('time_limit = None', (), None)]
    + [('time_limit = 5', ('--time-limit', '0.3'), 0.3)],
)
def test_the_time_limit_of_config_and_command(key, flag, limit, tmp_path, monkeypatch):
    def chosen(cfg, workers, dask, time_limit):
        assert time_limit == limit
        raise UsageError('seen')

    monkeypatch.setattr('nasvit_mm.apis.searching.chosen_backend', chosen)
    config = tmp_path / 'costs.py'
    config.write_text(
        f"""space = 'nasvit'
objectives = ['macs']
algorithm = dict(type='random', population=1, generations=1)
{key}
"""
    )
    with pytest.raises(UsageError, match='^seen$'):
        command.main([str(config), '--work-dir', str(tmp_path / 'run'), *flag])


# ---------------------------------------------------------------------- one process
def test_a_candidate_that_ended_the_only_process_is_evaluated_apart(tmp_path, monkeypatch):
    """The note that a killed search left names it; it alone is evaluated in another process."""
    note = tmp_path / 'note'
    records = run(tmp_path / 'whole', 'random', generations=1)
    archs = [record['arch'] for record in records[:2]]
    monkeypatch.setattr(
        'nasvit_mm.search.evaluators.in_process.Workers', lambda number, limit: workers(1, limit)
    )
    for harm in ('leave', None):  # was it the candidate, or was the process killed from outside?
        note.write_text(json.dumps(archs[1]))
        spec_of = spec(dict(TOY, harm=harm, bad=sum_of_genes(archs[1])))
        (_, first), (_, second) = InProcess(note=note).run((spec_of,), archs)
        assert first == records[0]['metrics']
        assert second == ((REASONS['leave'],) if harm else records[1]['metrics'])
        assert not note.exists()


def test_the_note_is_there_while_a_candidate_is_evaluated(tmp_path, monkeypatch):
    note, whole = tmp_path / 'note', Toy.__call__

    def look(self, arch):
        assert json.loads(note.read_text()) == json.loads(json.dumps(arch.to_dict()))
        return whole(self, arch)

    monkeypatch.setattr(Toy, '__call__', look)
    assert len(run(tmp_path / 'a', backend=InProcess(note=note))) == 36
    assert not note.exists()


# ---------------------------------------------------------------------- whose fault
def test_where_nothing_can_be_measured_nothing_is_recorded(tmp_path, monkeypatch):
    """A disk that is gone is no candidate's fault: the search ends, and resumes once it is back."""
    run(tmp_path / 'whole', 'random')
    log, whole = tmp_path / 'log', Toy.__call__

    def gone(self, arch):
        if len(calls(log)) >= 12 and not (tmp_path / 'back').exists():
            raise OSError('no such disk')
        return whole(self, arch)

    monkeypatch.setattr(Toy, '__call__', gone)
    logged = dict(TOY, log=str(log))
    with pytest.raises(UsageError, match=r'none of 12 .*measured; .* OSError: no such disk; mend'):
        run(tmp_path / 'a', 'random', evaluator=logged)
    assert bytes_of(tmp_path / 'a').count(b'\n') == 13
    (tmp_path / 'back').touch()
    run(tmp_path / 'a', 'random', resume=True, evaluator=logged)
    assert bytes_of(tmp_path / 'a') == bytes_of(tmp_path / 'whole')


def test_a_failure_is_told_of_at_once(tmp_path):
    """Also while it is open whether any candidate of the generation can be measured."""
    told = []

    class Told(Silent):
        def begin(self, generation, size):
            told.append('begin')

        def lost(self, index, reason):
            told.append(reason)

        def done(self, record):
            told.append('done')

    of, bad = problem(), dict(TOY, harm='raise', bad=1)
    with pytest.raises(UsageError, match='none of 12 candidates'):
        search(of, algorithm(of), Archive.open(tmp_path, {}), spec(bad), progress=Told())
    assert told == ['begin', *[REASONS['raise']] * 12]


def test_a_mistake_of_the_user_is_not_tried_again(monkeypatch):
    tried = []

    def refuse(self, arch):
        tried.append(arch)
        raise UsageError('no such pictures')

    monkeypatch.setattr(Toy, '__call__', refuse)
    arch = problem().space.smallest.to_dict()
    ((_, found),) = InProcess().run((spec(),), [arch])
    assert 'no such pictures' in found.reason and len(tried) == 1


def test_debug_shows_the_traceback(monkeypatch, capsys):
    monkeypatch.setenv('NASVIT_MM_DEBUG', '1')
    arch = problem().space.smallest.to_dict()
    list(InProcess().run((spec(dict(TOY, harm='raise', bad=1)),), [arch]))
    assert 'Traceback' in capsys.readouterr().err


@pytest.mark.parametrize('error', [KeyError('weights'), SystemExit('weights'), Own('weights')])
def test_an_evaluator_that_cannot_be_built_is_named(error, monkeypatch, tmp_path):
    def init(self, *args, **kwargs):
        raise error

    monkeypatch.setattr(Toy, '__init__', init)
    reason = f"evaluator Toy cannot be built: {type(error).__name__}: '?weights'?$"
    for backend in (None, workers(1)):
        with pytest.raises(UsageError, match=reason):
            run(tmp_path, resume=True, backend=backend)


KEPT = []


def leave_workers() -> None:
    """End with a worker that nobody has closed, and that is still referred to."""
    KEPT.append(workers(1))
    list(KEPT[0].run((spec(),), [problem().space.smallest.to_dict()]))


def test_workers_that_were_not_closed_do_not_keep_python_from_ending():
    process = FORK.Process(target=leave_workers)
    process.start()
    process.join(60)
    ended = process.exitcode
    process.kill()
    assert ended == 0


def test_ctrl_c_is_no_candidates_failure(monkeypatch, tmp_path):
    def interrupt(self, arch):
        raise KeyboardInterrupt

    monkeypatch.setattr(Toy, '__call__', interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)


# ---------------------------------------------------------------------- executors
class WorkerLost(Exception):
    """What an executor says of a worker that is gone."""


class OneWorker(Executor):
    """Runs in the turn of submission; a killer takes the next three along, as a Dask worker does
    that holds them already.
    """

    def __init__(self, killers: list[dict]) -> None:
        self.killers, self.waiting, self.ran = killers, [], []

    def submit(self, fn, specs, arch):
        future = Future()
        self.waiting.append((future, arch, lambda: fn(specs, arch)))
        return future

    def wait(self, *args):
        done = {self.waiting[0][0]}
        if self.waiting[0][1] in self.killers:
            for future, _, _ in self.waiting[:4]:
                future.set_exception(WorkerLost('gone'))
                done.add(future)
            del self.waiting[:4]
        else:
            future, arch, call = self.waiting.pop(0)
            future.set_result(call())
            self.ran.append(arch)
        pending = {future for future, _, _ in self.waiting}
        return done, pending


def test_innocents_of_a_lost_worker_keep_their_place(tmp_path, monkeypatch):
    whole = run(tmp_path / 'whole', 'random', generations=1)
    archs = [record['arch'] for record in whole]
    executor = OneWorker([archs[2], archs[4]])
    monkeypatch.setattr('nasvit_mm.search.evaluators.executor.wait', executor.wait)
    backend = OnExecutor(executor, [WorkerLost])
    records = run(tmp_path / 'a', 'random', generations=1, backend=backend)
    failed = [record['index'] for record in records if 'failed' in record]
    assert failed == [2, 4] and 'ended its worker (WorkerLost: gone)' in records[2]['failed']
    assert [r for r in records if 'failed' not in r] == [
        r for r in whole if r['index'] not in failed
    ]
    assert len(executor.ran) == 10


def test_an_executor_that_hangs_ends_the_search(tmp_path):
    with ThreadPoolExecutor(1) as executor, pytest.raises(UsageError, match='cannot end them'):
        slow = dict(TOY, seconds=0.5)
        run(tmp_path, evaluator=slow, backend=OnExecutor(executor, time_limit=0.05))


# ---------------------------------------------------------------------- worker processes
def test_each_worker_sees_its_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(Toy, '__call__', lambda self, arch: dict(gpu=int(os.environ[VISIBLE])))
    with closing(workers(3, gpus=['4', '6'])) as backend:
        found = backend.run((spec(),), [problem().space.smallest.to_dict()] * 3)
        assert sorted(metrics['gpu'] for _, metrics in found) == [4, 4, 6]


def test_what_watches_the_workers_ends_them(tmp_path):
    def alarm():
        raise UsageError('a rank is gone')

    with closing(workers(watch=alarm)) as backend, pytest.raises(UsageError, match='a rank is'):
        run(tmp_path, evaluator=dict(TOY, seconds=60.0), backend=backend)
    assert not any(worker.process for worker in backend.workers)


@pytest.mark.slow
def test_fresh_processes(tmp_path):
    """Not forks, which the tests above take."""
    run(tmp_path / 'here')
    with closing(Workers(2, 600.0)) as backend:
        run(tmp_path / 'processes', backend=backend)
    assert bytes_of(tmp_path / 'here') == bytes_of(tmp_path / 'processes')
