"""Search configs with values that cannot be meant end in one sentence that names the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from nasvit_mm.cost import count
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import COSTS, SUBNET_EVALUATORS
from nasvit_mm.search import CostSource, SubnetEvaluator, read_search
from nasvit_mm.search.running import chosen_backend
from nasvit_mm.spaces import get_space
from tests.commands import ROOT


@COSTS.register_module(force=True)
class Fails(CostSource):
    def __init__(self, *args):
        raise KeyError('x')


@SUBNET_EVALUATORS.register_module(force=True)
class Undescribed(SubnetEvaluator):
    @classmethod
    def describe(cls):
        raise KeyError('y')


SUBNET_EVALUATORS.register_module(force=True, module=SubnetEvaluator)


def fails(columns):
    return 1 / 0


SEARCH = dict(
    space='nasvit',
    input_size=(64, 96),
    objectives=['macs', 'params'],
    algorithm=dict(type='nsga2', population=4, generations=1),
)


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (dict(objectives=['macs', 'macs']), "'macs' is given twice"),
        (dict(objectives=[f'macs@{10**30}x64']), 'a side = 100000000, .* at most 65536'),
        (dict(objectives=['macs@99999999x64']), 'at most 65536'),
        (dict(constraints=[dict(metric='macs', high=10**400)]), r'high = .*\(401 digits\)'),
        (dict(input_size=10**30), r'input_size = .* at most 65536'),
        (dict(seed=2**70), 'seed = 1180591620717411303424, expected'),
        (dict(seed='x'), "seed = 'x', expected a whole number"),
        (dict(algorithm=dict(type=['nsga2'])), 'algorithm type'),
        (dict(algorithm=5), 'algorithm = 5'),
        (dict(latency=5), 'latency = 5, expected the file'),
        (dict(task=5), 'task = 5'),
        (dict(task=dict(model=[1])), r'model = dict\(type'),
        (dict(task=dict(model=dict(type='EncoderDecoder', backbone='x'))), r'backbone=dict\(type'),
        (dict(task=dict(a=1)), 'has no model'),
        (dict(space=dict(space='nasvit', restrict=dict(resolution=10**9))), 'restrict resolution'),
        (dict(train_dataloader=dict(batch_size=2)), r'evaluator\.cfg_options\.train_dataloader'),
        (dict(objectivs=['macs']), 'did you mean objectives'),
        (
            dict(objectives=['macs', 'mIoU'], evaluator=dict(type=['x'])),
            r"evaluator type = \['x'\]",
        ),
        (
            dict(
                objectives=['macs', 'mIoU'],
                evaluator=dict(
                    type='SupernetEvaluator', config=None, checkpoint='x', cfg_options='y'
                ),
            ),
            r"evaluator\.cfg_options = 'y', expected dict",
        ),
        (
            dict(
                objectives=['macs', 'mIoU'],
                evaluator=dict(type='SubnetEvaluator', ret=[float('inf')]),
            ),
            r'evaluator\.ret\.0 = inf, expected a finite number',
        ),
        (dict(time_limit=0), 'time_limit = 0, expected a number, above 0'),
        (dict(time_limit='1h'), "time_limit = '1h', expected a number"),
        (dict(objectives=['own'], costs=dict(own=fails)), "'own' .* raises ZeroDivisionError: div"),
        (dict(costs=dict(own=dict(type='Fails'))), r"own \(Fails\) cannot be built: KeyError: 'x'"),
        (
            dict(costs=dict(own=dict(type='FunctionCost', function='tests.test_search.raises:f'))),
            'raises RuntimeError: no device',
        ),
        (
            dict(objectives=['macs', 'depth'], evaluator=dict(type='Undescribed')),
            "evaluator Undescribed: describe raises KeyError: 'y'",
        ),
    ],
    ids=lambda value: str(value).partition(' at 0x')[0],
)
def test_what_cannot_be_meant(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        plan = read_search(Config({**SEARCH, **change}))
        for spec in plan.evaluators:
            spec.build()
    assert len(str(caught.value)) < 900


@pytest.mark.parametrize('text', ['model = (', '1 / 0', b'\xd2', '_base_ = "x.py"'])
def test_tasks_that_cannot_be_read(text: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / 'x.py'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=str(path)):
        read_search(Config({**SEARCH, 'task': str(path)}))


def test_a_task_that_cannot_be_built() -> None:
    task = Config.fromfile(ROOT / 'configs/demo/nasvit_demo.py')
    del task.model['decode_head']
    with pytest.raises(UsageError, match='decode_head'):
        read_search(Config({**SEARCH, 'task': task.to_dict()}))


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (dict(workers=100000), r'--workers 100000: .* cores; expected at most \d+'),
        (dict(workers=0), '--workers = 0, expected a whole number, at least 1'),
        (dict(workers=2, dask='tcp://x:1'), '--workers and --dask do not go together'),
        (dict(dask=''), "--dask '': expected tcp://HOST:PORT"),
        (dict(dask='nowhere'), '--dask nowhere: .*expected tcp://HOST:PORT or tls://HOST:PORT'),
        (dict(dask='tls://127.0.0.1:9'), r'distributed\.comm\.tls\.ca-file'),
    ],
)
def test_where_nothing_can_be_evaluated(
    given: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dask = pytest.importorskip('dask')
    cfg = Config(dict(launcher='none', work_dir=str(tmp_path)))
    with (
        dask.config.set({'distributed.comm.timeouts.connect': '1s'}),
        pytest.raises(UsageError, match=said),
        chosen_backend(cfg, **given),
    ):
        pass


def test_initial_that_is_more_than_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr('nasvit_mm.search.initial.print_log', lambda text, *_: said.append(text))
    archs = [arch.to_dict() for arch in get_space('nasvit').sample(0, 6)]
    most = [dict(metric='macs', high=float(sorted(count('nasvit', archs, 64).macs)[4]))]
    read_search(Config({**SEARCH, 'initial': archs, 'constraints': most, 'input_size': 64}))
    assert said[0].startswith('initial: 1 of 6 architectures do not meet the constraints')
    assert said[1].startswith('initial: 5 architectures, but the first generation has 4')
    assert said[1].endswith('algorithm.population=5 takes all')


def test_an_initial_archive_without_candidates(tmp_path: Path) -> None:
    path = tmp_path / 'archive.jsonl'
    path.write_text('{}\n')
    with pytest.raises(UsageError, match='holds no candidate that was evaluated'):
        read_search(Config({**SEARCH, 'initial': str(path)}))
