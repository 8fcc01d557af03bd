"""The archive: killed at any byte, another search's, results before their turn."""

from __future__ import annotations

import json
import os
import random
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
import pytest

from nasvit_mm.errors import UsageError
from nasvit_mm.search import Archive, OnExecutor, Problem, front, read_archive, search
from nasvit_mm.search.evaluators.data_files import data_digest
from tests.test_search.common import TOY, algorithm, problem, run
from tests.test_search.toy import Toy


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


def test_progress_is_told_of_every_generation_and_candidate(tmp_path):
    said = []

    class Told:
        def begin(self, generation, size):
            said.append((generation, size))

        def done(self, record):
            said.append(record)

    of, by = Problem(problem().space, ['macs']), dict(population=3, generations=2)
    archive = Archive.open(tmp_path, {})
    records = search(of, algorithm(of, 'random', **by), archive, progress=Told())
    assert said == [(0, 3), *records[:3], (1, 3), *records[3:]]


def test_another_search_is_refused(tmp_path):
    run(tmp_path, identity=dict(search=1, seed=0))
    before = bytes_of(tmp_path)
    with pytest.raises(UsageError, match=r'of another search: seed differ \(there seed = 0, now 1'):
        run(tmp_path, resume=True, identity=dict(search=1, seed=1))
    with pytest.raises(UsageError, match='is there already: give --resume'):
        run(tmp_path, identity=dict(search=1, seed=0))
    assert bytes_of(tmp_path) == before


@pytest.mark.parametrize('line', ['{"index": 3, "ar', '[' * 10_000])
def test_a_damaged_line_is_named(line, tmp_path):
    run(tmp_path)
    lines = bytes_of(tmp_path).splitlines(keepends=True)
    lines[4] = f'{line}\n'.encode()
    (tmp_path / 'archive.jsonl').write_bytes(b''.join(lines))
    with pytest.raises(UsageError, match='line 5 of .* is damaged'):
        run(tmp_path, resume=True)


def test_an_archive_of_other_candidates_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(UsageError, match='candidate 0 .* is not the one'):
        run(tmp_path, resume=True, seed=3)


def test_the_order_of_results_does_not_matter(tmp_path, monkeypatch):
    def one(futures, *args):
        done = random.Random(len(futures)).choice(sorted(futures, key=id))
        return {done}, futures - {done}

    run(tmp_path / 'serial')
    monkeypatch.setattr('nasvit_mm.search.evaluators.executor.wait', one)
    run(tmp_path / 'shuffled', backend=OnExecutor(Shuffled()))
    assert bytes_of(tmp_path / 'serial') == bytes_of(tmp_path / 'shuffled')
    assert os.listdir(tmp_path / 'shuffled') == ['archive.jsonl']


def test_results_before_their_turn_are_kept(tmp_path, monkeypatch):
    """The first candidate's result never comes; those behind it are not evaluated again."""
    log = tmp_path / 'log'

    submitted, calls_of_wait = [], iter([0])

    def submit(self, fn, *args):
        submitted.append(whole(self, fn, *args))
        return submitted[-1]

    def stuck(futures, *args):
        for _ in calls_of_wait:
            return set(submitted[1:8]), {submitted[0], *submitted[8:]}
        raise KeyboardInterrupt

    whole = Shuffled.submit
    monkeypatch.setattr(Shuffled, 'submit', submit)
    monkeypatch.setattr('nasvit_mm.search.evaluators.executor.wait', stuck)
    logged = dict(TOY, log=str(log))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / 'cut', evaluator=logged, backend=OnExecutor(Shuffled()))
    monkeypatch.undo()
    log.unlink()
    with (tmp_path / 'cut/ahead.jsonl').open('ab') as file:
        file.write(b'{"index": 9, "arch')  # cut off
    run(tmp_path / 'cut', resume=True, evaluator=logged)
    assert len(calls(log)) == 36 - 7
    run(tmp_path / 'whole')
    assert bytes_of(tmp_path / 'cut') == bytes_of(tmp_path / 'whole')
    assert os.listdir(tmp_path / 'cut') == ['archive.jsonl']


@pytest.mark.parametrize(
    ('figures', 'message', 'lines'),
    [
        (dict(other=1.0), "^the evaluator gives no 'score'; it gives other", 0),  # a wrong name
        ({}, "all 12 candidates .* gives no 'score'; it gives nothing", 12),
        (dict(score=float('nan')), 'all 12 candidates .* failed, the first so: score = nan', 12),
    ],
)
def test_a_first_generation_that_fails(tmp_path, monkeypatch, figures, message, lines):
    monkeypatch.setattr(Toy, '__call__', lambda self, arch: figures)
    with pytest.raises(UsageError, match=message):
        run(tmp_path, 'random')
    assert len(Archive.read(tmp_path, dict(search='random')).lines) == lines


@pytest.mark.parametrize('name', ['random', 'nasvit', 'elasticvit', 'vitas'])
def test_a_candidate_that_fails_is_no_parent_and_not_asked_again(name, tmp_path, monkeypatch):
    log, whole = tmp_path / 'log', Toy.__call__
    unfit = {
        str(a)
        for i, a in enumerate(problem().archs(algorithm(problem(), name).ask()))
        if i % 3 == 0
    }

    def some(self, arch):
        found = whole(self, arch)
        return dict(found, score=float('nan')) if str(arch) in unfit else found

    monkeypatch.setattr(Toy, '__call__', some)
    logged = dict(TOY, log=str(log))
    records = run(tmp_path / 'a', name, evaluator=logged)
    failed = [r for r in records if 'failed' in r]
    assert len(failed) == 4 and len(records) == 36 == len(calls(log))
    assert failed[0]['failed'] == 'score = nan' and failed[0]['metrics'] == dict(other=1 / 3)
    assert not any('failed' in r for r in front(problem(), records))
    again = run(tmp_path / 'a', name, resume=True, evaluator=logged)
    assert again == records and len(calls(log)) == 36
    assert [json.loads(line) for line in bytes_of(tmp_path / 'a').splitlines()[1:]] == records


def test_numbers_of_numpy_are_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(
        Toy,
        '__call__',
        lambda self, arch: dict(score=np.float32(self.space.genes(arch).sum()), other=np.int64(3)),
    )
    assert run(tmp_path)[0]['metrics']['other'] == 3.0


@pytest.mark.parametrize(
    ('figures', 'message'),
    [
        (dict(score=1.0, macs=3.0), "gives 'macs', the name of a cost"),
        (
            dict(score=1.0, note='slow'),
            'the evaluator Toy gives .*slow.*, expected a dict of numbers',
        ),
        (None, 'the evaluator Toy gives None, expected a dict'),
    ],
)
def test_what_is_no_figure(tmp_path, monkeypatch, figures, message):
    monkeypatch.setattr(Toy, '__call__', lambda self, arch: figures)
    with pytest.raises(UsageError, match=message):
        run(tmp_path)


@pytest.mark.parametrize(
    ('number', 'line', 'message'),
    [
        (1, b'[1]', 'line 1 .* is damaged .*is no record'),
        (3, b'5', 'line 3 .* is damaged .5 is no record'),
        (3, b'', 'line 3 .* is damaged'),
        (3, None, 'line 3 .* is damaged .index = 0, expected 1'),
        (3, b'{"index":1,"arch":{},"costs":{},"metrics":[],"generation":0}', r'metrics = \[\]'),
    ],
)
def test_lines_that_are_no_records(number, line, message, tmp_path):
    run(tmp_path)
    lines = bytes_of(tmp_path).splitlines()
    lines[number - 1] = lines[1] if line is None else line
    (tmp_path / 'archive.jsonl').write_bytes(b'\n'.join(lines) + b'\n')
    with pytest.raises(UsageError, match=message):
        run(tmp_path, resume=True)


def test_two_searches_at_once(tmp_path):
    first = Archive.open(tmp_path, {})
    with pytest.raises(UsageError, match='another search is writing'):
        Archive.open(tmp_path, {}, resume=True)
    first.close()
    Archive.open(tmp_path, {}, resume=True).close()


@pytest.mark.parametrize(('key', 'changed'), [('arch', 'resolution'), ('costs', 'macs')])
def test_a_search_by_costs_compares_what_is_there(key, changed, tmp_path):
    of = Problem(problem().space, ['macs'])

    def cost(resume: bool) -> None:
        search(of, algorithm(of, 'random', generations=1), Archive.open(tmp_path, {}, resume))

    cost(False)
    lines = bytes_of(tmp_path).splitlines()
    record = json.loads(lines[3])
    record[key][changed] += 1
    lines[3] = json.dumps(record).encode()
    (tmp_path / 'archive.jsonl').write_bytes(b'\n'.join(lines) + b'\n')
    with pytest.raises(UsageError, match=f'candidate 2 .* is not the one .*its {key} is'):
        cost(True)


def test_an_archive_that_is_still_being_written(tmp_path):
    records = run(tmp_path)
    whole = bytes_of(tmp_path)
    (tmp_path / 'archive.jsonl').write_bytes(whole[:-9])
    assert read_archive(tmp_path / 'archive.jsonl') == records[:-1]


def test_loose_keys_may_differ(tmp_path):
    run(tmp_path, identity=dict(search=1, supernet=dict(a=dict(b=1, c=2))))
    other = dict(search=1, supernet=dict(a=dict(b=1, c=3)))
    with pytest.raises(UsageError, match='supernet.a.c = 2, now 3'):
        Archive.read(tmp_path, other)
    archive = Archive.read(tmp_path, other, loose=['supernet'])
    assert archive.differing == ['supernet'] and len(archive.lines) == 36


def of_files(folder: str, weights: str = 'abc', **more: object) -> dict:
    """The identity of a search by a supernet's files in a folder."""
    spec = dict(type='SupernetEvaluator', config=f'{folder}/c.py', checkpoint=f'{folder}/w.pth')
    content = dict(checkpoint=weights, model=dict(type='EncoderDecoder'))
    return dict(evaluator=dict(spec, **more), supernet=content)


@pytest.mark.parametrize('several', [False, True])
def test_a_search_whose_project_was_moved_is_the_same(several, tmp_path):
    there, here = of_files('/there'), of_files('/here')
    if several:
        there, here = ({key: [value, value] for key, value in one.items()} for one in (there, here))
    written = Archive.open(tmp_path, there)
    written.append(dict(index=0, generation=0, arch={}, costs={}, metrics={}))
    written.close()
    before = bytes_of(tmp_path)
    again = Archive.open(tmp_path, here, resume=True)
    again.close()
    assert len(again.lines) == 1 and bytes_of(tmp_path) == before


@pytest.mark.parametrize(
    ('now', 'said'),
    [
        (of_files('/here', 'xyz'), 'supernet'),
        (of_files('/here', phase=1), 'evaluator'),
        (dict(of_files('/here'), supernet=dict(missing='no file')), 'evaluator, supernet'),
    ],
)
def test_a_moved_search_with_other_content_is_another(now, said, tmp_path):
    written = Archive.open(tmp_path, of_files('/there'))
    written.append(dict(index=0, generation=0, arch={}, costs={}, metrics={}))
    written.close()
    with pytest.raises(UsageError, match=f'is of another search: {said} differ'):
        Archive.open(tmp_path, now, resume=True)


# ---------------------------------------------------------------------- data that moved
def of_data(root: Path, **more: object) -> dict:
    """The identity of a search by data below an absolute root, as its evaluator tells it."""
    dataset = dict(type='D', data_root=f'{root}/', data_prefix=dict(img_path='images'))
    dataset['ann_file'] = 'val.json'
    loader, metric = dict(batch_size=2, dataset=dict(dataset)), dict(ann_file=f'{root}/val.json')
    content = dict(checkpoint='abc', model={}, val_dataloader=loader, val_evaluator=metric)
    digest = data_digest(loader)
    spec = dict(type='SupernetEvaluator', dataloader={'dataset.data_root': str(root)})
    return dict(evaluator=spec, supernet=dict(content, data=dict(val_dataloader=digest), **more))


def write_data(root: Path) -> Path:
    (root / 'images').mkdir(parents=True)
    (root / 'images/a.png').write_bytes(b'123')
    (root / 'val.json').write_text('{}')
    return root


def test_a_search_whose_data_were_moved_is_the_same(tmp_path):
    written = Archive.open(tmp_path / 'run', of_data(write_data(tmp_path / 'there')))
    written.append(dict(index=0, generation=0, arch={}, costs={}, metrics={}))
    written.close()
    (tmp_path / 'there').rename(tmp_path / 'here')
    Archive.open(tmp_path / 'run', of_data(tmp_path / 'here'), resume=True).close()


@pytest.mark.parametrize('name', ['images/a.png', 'images/b.png', 'val.json'])
def test_other_data_are_another_search(name, tmp_path):
    written = Archive.open(tmp_path / 'run', of_data(write_data(tmp_path / 'there')))
    written.append(dict(index=0, generation=0, arch={}, costs={}, metrics={}))
    written.close()
    (write_data(tmp_path / 'here') / name).write_text('other')
    with pytest.raises(UsageError, match='supernet.data.val_dataloader = '):
        Archive.open(tmp_path / 'run', of_data(tmp_path / 'here'), resume=True)


def test_an_archive_that_says_nothing_of_data_resumes_in_its_place(tmp_path):
    before = of_data(write_data(tmp_path / 'there'))
    del before['supernet']['data']
    written = Archive.open(tmp_path / 'run', before)
    written.append(dict(index=0, generation=0, arch={}, costs={}, metrics={}))
    written.close()
    Archive.open(tmp_path / 'run', of_data(tmp_path / 'there'), resume=True).close()


def test_data_by_relative_paths_move_with_the_project(tmp_path, monkeypatch):
    write_data(tmp_path / 'there')
    monkeypatch.chdir(tmp_path)
    assert data_digest(dict(dataset=dict(data_root='there'))) is None
    assert data_digest(dict(dataset=dict(data_root='/no/such/folder'))) is None
