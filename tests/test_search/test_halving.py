"""Successive halving: shares of the images first, all of them for those that are left."""

from __future__ import annotations

from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import pytest

from nasvit_mm.errors import UsageError
from nasvit_mm.search import Algorithm, Archive, Workers, front, search
from nasvit_mm.search.halving import Rung, agreement_words, best_places, estimates, read_rungs
from tests.test_search.common import TOY, algorithm, problem, spec
from tests.test_search.test_archive import bytes_of, calls
from tests.test_search.toy import Toy

RUNGS = (Rung(0.25, 0.5), Rung(0.5, 0.5))  # 12 candidates, 6, 3


def halved(
    folder: Path, resume: bool = False, backend=None, by: Algorithm | None = None, **options
) -> list[dict]:
    archive = Archive.open(folder, dict(search='halved'), resume)
    evaluator = spec(dict(TOY, **options))
    of = problem()
    return search(of, by or algorithm(of), archive, evaluator, backend, halving=RUNGS)


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> tuple[Path, list[dict], list[str]]:
    folder = tmp_path_factory.mktemp('whole')
    records = halved(folder, log=str(folder / 'log'))
    return folder, records, calls(folder / 'log')


def test_what_is_behind_stops(whole):
    _, records, called = whole
    for generation in range(3):
        own = [r for r in records if r['generation'] == generation]
        assert Counter(len(r['looks']) for r in own) == {1: 6, 2: 6}
        assert sum(bool(r['metrics']) for r in own) == 3
        assert all(('stopped' in r) != bool(r['metrics']) for r in own)
    assert Counter(line.partition(' of ')[0] for line in called if ' of ' in line) == {
        '0.25': 36,
        '0.5': 18,
    }
    assert len(called) == 36 + 18 + 9


def test_metrics_of_fewer_images_are_in_no_front(whole):
    _, records, _ = whole
    best = front(problem(), records)
    assert best and all('stopped' not in r and r['metrics'] for r in best)


@pytest.mark.parametrize('after', [5, 15, 20, 30, 62])
def test_a_search_that_was_stopped_resumes(after, whole, tmp_path, monkeypatch):
    """In the first look, in the second, among those that are left: nothing is measured twice."""
    folder, _, called = whole
    measure, look, number = Toy.__call__, Toy.look, iter(range(1000))

    def stop(then):
        def call(*arguments):
            if next(number) == after:
                raise KeyboardInterrupt
            return then(*arguments)

        return call

    monkeypatch.setattr(Toy, '__call__', stop(measure))
    monkeypatch.setattr(Toy, 'look', stop(look))
    log = tmp_path / 'log'
    with pytest.raises(KeyboardInterrupt):
        halved(tmp_path, log=str(log))
    halved(tmp_path, resume=True, log=str(log))
    assert bytes_of(tmp_path) == bytes_of(folder)
    assert Counter(calls(log)) == Counter(called)


def test_workers_give_the_same_archive(whole, tmp_path):
    backend = Workers(2, context=get_context('fork'))
    try:
        halved(tmp_path, backend=backend)
    finally:
        backend.close()
    assert bytes_of(tmp_path) == bytes_of(whole[0])


def test_one_that_fails_in_a_look_fails_alone(tmp_path):
    records = halved(tmp_path, harm='raise', bad=5)
    failed = [r for r in records if 'failed' in r]
    assert failed and all('boom' in r['failed'] and not r['metrics'] for r in failed)
    assert [r for r in records if r['metrics']]


def test_where_all_fail_none_is_recorded(tmp_path):
    with pytest.raises(UsageError, match='none of 12 candidates .*boom.*--resume'):
        halved(tmp_path, harm='raise', bad=1)
    assert not Archive.open(tmp_path, dict(search='halved'), resume=True).records


def test_where_those_that_are_left_fail_the_reason_is_said(tmp_path, monkeypatch):
    """The first candidate of all may have stopped early, and has none."""

    def fail(self, arch):
        return dict(score=float('nan'))

    monkeypatch.setattr(Toy, '__call__', fail)
    with pytest.raises(UsageError, match='all 3 candidates .*failed, the first so: score = nan'):
        halved(tmp_path)


def test_fronts_go_on_and_the_least_crowded_of_the_last_one():
    """Of five on a line the ends, and of the others the one with most room."""
    costs = [1.0, 2.0, 2.2, 6.0, 9.0]
    values = {3 + i: dict(score=10 * cost, macs=cost) for i, cost in enumerate(costs)}
    values[1] = dict(score=5.0, macs=9.5)  # of the second front
    assert best_places(problem(), Rung(0.5, 0.5), values) == {3, 6, 7}
    assert best_places(problem(), Rung(0.5, 0.9), values) == set(values)
    assert len(best_places(problem(), Rung(0.5, 0.01), values)) == 1


KNOWN = [spec()]


@pytest.mark.parametrize(
    ('given', 'evaluators', 'said'),
    [
        (dict(share=0.25), KNOWN, r'expected dict\(share=0.25, keep=0.5\)'),
        (dict(share=0.25, keeps=0.5), KNOWN, r'did you mean .?keep'),
        (dict(share=2, keep=0.5), KNOWN, r'halving.share = 2'),
        (dict(share=1, keep=0.5), KNOWN, 'are 1, expected each larger .*below 1'),
        ([dict(share=0.5, keep=0.5), dict(share=0.25, keep=0.5)], KNOWN, 'are 0.5, 0.25, expected'),
        (dict(share=0.5, keep=0.5), [], 'all objectives are costs'),
    ],
)
def test_a_mistake_is_named(given, evaluators, said):
    with pytest.raises(UsageError, match=said):
        read_rungs(given, evaluators)


def test_an_evaluator_that_knows_no_shares_is_named():
    evaluator = SimpleNamespace(type='Mine', kind=SimpleNamespace(shares=False))
    with pytest.raises(UsageError, match='evaluator Mine measures on all images only'):
        read_rungs(dict(share=0.5, keep=0.5), [evaluator])


def test_an_evaluator_that_cannot_judge_a_share_says_so(monkeypatch):
    def refuse(**options):
        raise UsageError('its metric needs all of them')

    monkeypatch.setattr(Toy, 'check_shares', refuse)
    with pytest.raises(UsageError, match='its metric needs all of them'):
        read_rungs(dict(share=0.5, keep=0.5), KNOWN)
    assert read_rungs(None, KNOWN) == ()


def counting(images: int):
    """A look that tells how many of so few images it takes."""
    look = Toy.look

    def told(self, arch, share):
        return look(self, arch, share) | {'val/images': float(max(1, round(share * images)))}

    return told


def test_the_number_of_images_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(Toy, 'look', counting(9))
    records = halved(tmp_path)
    stopped = {len(r['looks']): r['stopped'] for r in records if 'stopped' in r}
    assert stopped == {
        1: 'behind the others after 25% of the images (2)',
        2: 'behind the others after 50% of the images (4)',
    }


def test_two_looks_at_the_same_images_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Toy, 'look', counting(2))
    with pytest.raises(UsageError, match='shares 0.25 and 0.5 are both 1 of the images'):
        halved(tmp_path)


def test_looks_that_took_batches_are_of_another_search():
    """What an archive of before says of them."""
    (rung,) = read_rungs(dict(share=0.5, keep=0.5), KNOWN)
    assert rung._asdict() == dict(share=0.5, keep=0.5, of='images')


def test_one_that_fails_on_all_images_is_not_counted(whole):
    """It may have another metric there, and has looks."""
    failed = dict(whole[1][0], metrics=dict(other=1.0), failed='score = nan')
    failed.pop('stopped', None)
    assert agreement_words(problem(), [*whole[1], failed])[0].startswith('27 of 37 candidates')


def test_what_a_candidate_that_stopped_would_have_had():
    """Its last look, and how much those that were left changed from that look on."""

    def record(looks: list[float], score: float | None = None) -> dict:
        found = dict(costs=dict(macs=7.0), looks=[dict(score=s) for s in looks], metrics={})
        if score is None:
            return found | dict(stopped='behind')
        return found | dict(metrics=dict(score=score))

    whole = [record([5.0, 6.0], 7.0), record([8.0, 6.0], 9.0), record([1.0, 5.0], 6.5)]
    stopped = [record([2.0]), record([3.0, 2.5])]
    failed = dict(record([0.0, 0.0], 50.0), failed='score = nan')
    found = estimates([*whole, *stopped, failed], stopped, ['score'])
    assert found == [dict(macs=7.0, score=4.0), dict(macs=7.0, score=4.0)]
    assert estimates(stopped, stopped, ['score']) == []


def test_a_predictor_learns_of_those_that_stop(tmp_path):
    """Of each once; they are no parents."""
    by = algorithm(problem(), 'surrogate')
    records = halved(tmp_path, by=by)
    genes, scores = by._estimated
    stopped = [problem().space.arch(r['arch']) for r in records if 'stopped' in r]
    assert (genes == problem().space.genes(stopped)).all() and len(scores) == 27
    assert len(by.genes) == 9


def test_how_far_the_looks_agreed(whole):
    (line,) = agreement_words(problem(), whole[1])
    assert line.startswith('27 of 36 candidates stopped early; order of the others')
    assert line.count('score ') == 2
    assert not agreement_words(problem(), [])
