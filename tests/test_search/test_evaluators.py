"""Several evaluators of one search, and the spec by which workers build them."""

from __future__ import annotations

import pickle

import pytest
from mmengine.config import Config

from nasvit_mm.errors import UsageError
from nasvit_mm.registry import SUBNET_EVALUATORS
from nasvit_mm.search import Archive, SubnetEvaluator, build_evaluator, read_search, search
from nasvit_mm.search.evaluators.workers import VISIBLE, visible_gpus
from tests.test_search import toy  # noqa: F401 (registers Toy)
from tests.test_search.common import TOY, algorithm, problem, spec


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


def test_an_option_that_it_does_not_have_is_named():
    said = r"evaluator Depth: option = 'nome' \(did you mean name\?\), allowed: name, weights"
    with pytest.raises(UsageError, match=said):
        build_evaluator(dict(type='Depth', nome='x'), problem().space)
