"""Search configs with values that cannot be meant end in one sentence that names the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from nasvit_mm.errors import UsageError
from nasvit_mm.search import read_search
from tests.commands import ROOT

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
    ],
    ids=str,
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
