"""Several evaluators of one search, and the spec by which workers build them."""

from __future__ import annotations

import os
import pickle
from multiprocessing import get_context

import pytest
from mmengine.config import Config

from nasvit_mm.errors import UsageError
from nasvit_mm.registry import SUBNET_EVALUATORS
from nasvit_mm.search import Archive, OnExecutor, SubnetEvaluator, process_pool, read_search, search
from nasvit_mm.search.evaluators.execute import VISIBLE, take_gpu, visible_gpus
from tests.test_search.common import TOY, algorithm, problem, run, spec
from tests.test_search.test_archive import bytes_of


@SUBNET_EVALUATORS.register_module(force=True)
class Depth(SubnetEvaluator):
    """How deep an architecture is, under any name."""

    def __init__(self, space, name: str = 'depth', weights: str = '') -> None:
        super().__init__(space)
        self.name = name

    @classmethod
    def describe(cls, name: str = 'depth', weights: str = '') -> dict:
        return dict(weights=weights) if weights else {}

    def __call__(self, arch) -> dict[str, float]:
        return {self.name: sum(arch['depth'])}


def plan(*evaluators: dict, key: str = 'evaluators', **changes):
    given = list(evaluators) if key == 'evaluators' else evaluators[0]
    cfg = dict(
        space=problem().space.to_dict(),
        objectives=['score', 'depth'],
        algorithm=dict(type='random', population=4, generations=1),
    )
    return read_search(Config({**cfg, key: given, **changes}))


def test_metrics_are_merged_and_each_is_an_objective(tmp_path):
    of = plan(TOY, dict(type='Depth'))
    archive = Archive.open(tmp_path, of.identity)
    records = search(of.problem, of.algorithm, archive, of.evaluators)
    assert [set(r['metrics']) for r in records] == [{'score', 'other', 'depth'}] * 4
    assert [r['metrics']['depth'] for r in records] == [sum(r['arch']['depth']) for r in records]


def test_two_metrics_of_one_name(tmp_path):
    with pytest.raises(
        UsageError,
        match=r"evaluators Toy .evaluators\[0\]. and Depth .evaluators\[1\]. both give 'score'",
    ):
        search(
            problem(),
            algorithm(problem()),
            Archive.open(tmp_path, {}),
            [TOY, dict(type='Depth', name='score')],
        )


def test_each_has_its_content_in_the_identity():
    deep = dict(type='Depth', weights='a')
    both = plan(TOY, deep).identity
    assert [each['type'] for each in both['evaluator']] == ['Toy', 'Depth']
    assert both['supernet'] == [{}, dict(weights='a')]
    other = plan(TOY, dict(deep, weights='b')).identity
    assert other['supernet'] == [{}, dict(weights='b')]


def test_a_list_of_one_is_one():
    deep = dict(type='Depth', weights='a')
    one = plan(deep, key='evaluator', objectives=['depth'])
    same = plan(deep, objectives=['depth'])
    assert one.identity == same.identity and one.evaluators == same.evaluators
    assert one.identity['supernet'] == dict(weights='a')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(evaluator=TOY), 'has both evaluator and evaluators'),
        (dict(evaluators=5), r'evaluators = 5, expected \[dict\(type=name'),
        (dict(evaluators=[5]), r'evaluator = 5, expected dict\(type=name'),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises(UsageError, match=message):
        plan(TOY, **changes)


def test_a_spec_is_known_by_its_value():
    """In another process too: it is the key under which workers hold their evaluators."""
    one = spec(dict(TOY, seconds=0.0), dict(weights='a'))
    again = pickle.loads(pickle.dumps(one))
    assert again == one and hash(again) == hash(one) and again.build().space == problem().space
    assert one != spec(dict(TOY, seconds=1.0), dict(weights='a'))
    assert one != spec(dict(TOY, seconds=0.0), dict(weights='b'))


# ---------------------------------------------------------------------- GPUs of worker processes
def test_worker_processes_take_the_gpus_in_turn(monkeypatch):
    counter, seen = get_context('spawn').Value('i', 0), []
    for _ in range(5):
        monkeypatch.delenv(VISIBLE, raising=False)
        take_gpu(counter, ['2', '5'])
        seen.append(os.environ[VISIBLE])
    assert seen == ['2', '5', '2', '5', '2']


def test_without_gpus_a_worker_changes_nothing(monkeypatch):
    monkeypatch.delenv(VISIBLE, raising=False)
    take_gpu(get_context('spawn').Value('i', 0), [])
    assert VISIBLE not in os.environ


@pytest.mark.parametrize(
    ('named', 'number', 'gpus'),
    [
        (None, 3, ['0', '1', '2']),
        ('4, 6,GPU-8f2a', 3, ['4', '6', 'GPU-8f2a']),
        ('4,-1,6', 1, ['4']),  # CUDA ends its list at the first that is none
        ('', 0, []),
    ],
)
def test_gpus_are_named_as_the_user_named_them(named, number, gpus, monkeypatch):
    monkeypatch.setattr('torch.cuda.device_count', lambda: number)
    if named is None:
        monkeypatch.delenv(VISIBLE, raising=False)
    else:
        monkeypatch.setenv(VISIBLE, named)
    assert visible_gpus() == gpus


@pytest.mark.slow
def test_each_process_of_a_pool_sees_its_gpu():
    with process_pool(1, ['3', '7']) as one, process_pool(1, ['7']) as other:
        assert [pool.submit(os.getenv, VISIBLE).result() for pool in (one, other)] == ['3', '7']


@pytest.mark.slow
def test_a_search_in_processes(tmp_path):
    run(tmp_path / 'here')
    backend = OnExecutor.processes(2)
    try:
        run(tmp_path / 'processes', backend=backend)
    finally:
        backend.close()
    assert bytes_of(tmp_path / 'here') == bytes_of(tmp_path / 'processes')
