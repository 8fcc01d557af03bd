"""From a folder of images to an artefact, its metric, its latency and a page."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from mmengine.config import Config

from nasvit_mm.auto import Wish, run, run_auto
from nasvit_mm.auto.measure import StepTime
from nasvit_mm.cli import COMMANDS
from nasvit_mm.cli.auto import macs, main, milliseconds
from nasvit_mm.deploy import build_latency_table, latency
from nasvit_mm.errors import UsageError
from nasvit_mm.own_data import Choices, in_time
from nasvit_mm.own_data.found import Item
from nasvit_mm.own_data.lay_out import LaidOut
from nasvit_mm.search import read_task
from tests.test_deploy.test_latency import Device
from tests.test_own_data import drawn


def wish(data: Path, **changes: object) -> Wish:
    given = dict(task='seg', high={'macs': 1e9}, runtime='torch', precision='fp32', hours=0.001)
    return Wish(str(data), **{**given, 'threads': 1, 'reading': {}, **changes})


def laid(number: int) -> LaidOut:
    items = [Item(Path(f'{i}.jpg'), Path(f'{i}.png'), str(i)) for i in range(number)]
    splits = dict(train=items, val=items[:10], test=items[:10])
    return LaidOut(
        'seg',
        ('a', 'b'),
        ((0, 0, 0), (9, 9, 9)),
        '.jpg',
        splits,
        {s: Counter() for s in splits},
        {s: 10 for s in splits},
        (64, 64),
        True,
    )


CHOICES = Choices(
    (64, 64),
    False,
    (64, 64),
    (64, 64),
    64,
    4,
    0,
    (1, 1),
    (1, 1),
    16,
    8,
    reasons=('as it is', 'no limit'),
)


def test_lengths_fit_into_the_hours() -> None:
    short, long = (in_time(CHOICES, laid(4000), hours, 3.0, 1.0) for hours in (1, 4))
    candidates = short.population * short.generations  # of 8 batches and 2.5 of val
    assert 3 * short.steps[0] + short.steps[1] + 10.5 * candidates < 3600
    assert long.steps[0] == pytest.approx(4 * short.steps[0], rel=0.01)
    assert long.population * long.generations > short.population * short.generations
    said = next(line for line in short.reasons if 'of the winner' in line)
    assert '1 h' in said and '3.00 s' in said


def test_too_few_hours_are_told_with_the_number_that_would_do() -> None:
    few, enough = (in_time(CHOICES, laid(400), hours, 3.0, 1.0) for hours in (0.5, 4))
    assert few.steps[0] == 270  # 2.7 passes of 100 steps
    assert '3 passes' in few.reasons[-1] and '--hours 4 would give it 20' in few.reasons[-1]
    assert not any('passes' in line for line in enough.reasons)


def test_a_tiny_set_is_not_trained_for_ever() -> None:
    assert in_time(CHOICES, laid(40), 100, 0.01, 0.01).steps == (2000, 2000)


@pytest.mark.parametrize('text, value', [('2G', 2e9), ('500M', 5e8), ('3e9', 3e9), ('1.5g', 1.5e9)])
def test_macs(text: str, value: float) -> None:
    assert macs(text) == value


@pytest.mark.parametrize('text, value', [('20ms', 20), ('0.02s', 20), ('2.5 ms', 2.5)])
def test_milliseconds(text: str, value: float) -> None:
    assert milliseconds(text) == value


@pytest.mark.parametrize('options', ['--macs two', '--latency 20', '', '--macs 2G --latency 20ms'])
def test_no_budget(options: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(['data', '--task', 'seg', *options.split()])
    assert 'expected' in (err := capsys.readouterr().err) or 'argument --' in err or 'one of' in err


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(runtime='openvnio'), 'did you mean openvino'),
        (dict(precision='int8'), 'torch runs .*not int8'),
        (dict(hours=-1.0), '--hours = -1.0'),
        (dict(task='cls', high={'latency': 3.0}), 'give --macs for a classifier'),
    ],
)
def test_wishes_that_cannot_be_met(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run_auto(wish(tmp_path, **changes), tmp_path / 'work')
    assert not (tmp_path / 'work').exists()


def test_a_work_dir_of_another_wish(tmp_path: Path) -> None:
    before = dict(wish=json.loads(json.dumps(run.asdict(wish(tmp_path)))))
    drawn.write(tmp_path / 'work/auto.json', json.dumps(before))
    (tmp_path / 'work/supernet').mkdir()
    with pytest.raises(UsageError, match=r'high was .*1000000000.0}, is .*--work-dir'):
        run_auto(wish(tmp_path, high={'macs': 2e9}), tmp_path / 'work')


def test_a_budget_that_no_network_meets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anything is trained."""
    monkeypatch.setattr('nasvit_mm.own_data.make.check', lambda *_: None)
    monkeypatch.setattr(run, 'measure_step', lambda _: StepTime(1.0, 0.1))
    data, work = drawn.folders(tmp_path / 'data'), tmp_path / 'work'
    with pytest.raises(UsageError, match='macs at most 1e.06: the space reaches from 1.9.*--macs'):
        run_auto(wish(data, high={'macs': 1e6}), work, say=str)
    assert not (work / 'supernet').exists()

    monkeypatch.setattr('nasvit_mm.auto.chain.call', lambda *_: sys.exit(2))
    with pytest.raises(SystemExit):  # in the training of another budget, in the same work dir
        run_auto(wish(data, high={'macs': 3e7}), work, say=str)
    assert Config.fromfile(work / 'task/search.py').constraints[0].high == 3e7


def test_a_latency_that_no_network_meets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the table that the step before has made."""

    def call(command: tuple[str, ...], folder: Path) -> None:
        parser = argparse.ArgumentParser()
        import_module(COMMANDS[command[0]][0]).add_arguments(parser)
        args = parser.parse_args(command[1:])
        search = Config.fromfile(Path(args.config[0]).with_name('search.py'))
        task, size = read_task(search, search.filename)
        build_latency_table(task, size, networks=1, unseen=0).save(args.build_table)

    monkeypatch.setattr(latency, '_Stopwatch', Device)
    monkeypatch.setattr('nasvit_mm.own_data.make.check', lambda *_: None)
    monkeypatch.setattr(run, 'measure_step', lambda _: StepTime(1.0, 0.1))
    monkeypatch.setattr('nasvit_mm.auto.chain.call', call)
    work = tmp_path / 'work'
    asked = wish(drawn.folders(tmp_path / 'data'), high={'latency': 1.0}, runtime='onnx')
    with pytest.raises(UsageError, match='latency at most 1: the space reaches from .* --latency'):
        run_auto(asked, work, say=str)
    assert not (work / 'supernet').exists()


@pytest.mark.parametrize('high', [{'macs': 1e9}, {'latency': 20.0}], ids=['macs', 'latency'])
def test_the_commands_are_ones_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, high: dict
) -> None:
    """In their order, with flags that each takes; the configs ask for the budget."""
    ran = []

    def call(command: tuple[str, ...], folder: Path) -> None:
        parser = argparse.ArgumentParser()
        import_module(COMMANDS[command[0]][0]).add_arguments(parser)
        args = parser.parse_args(command[1:])
        ran.append(command[0])
        config = args.config[0] if isinstance(args.config, list) else args.config
        if config.endswith('export/config.py') and command[0] == 'train':
            drawn.write(tmp_path / 'work/export/train/best_mIoU_iter_20.pth', '')

    monkeypatch.setattr('nasvit_mm.own_data.make.check', lambda *_: None)
    monkeypatch.setattr(run, 'measure_step', lambda _: StepTime(1.0, 0.1))
    monkeypatch.setattr(run, 'read_search', lambda *_: None)
    monkeypatch.setattr(run, 'write_page', lambda *_: None)
    monkeypatch.setattr('nasvit_mm.auto.chain.call', call)
    asked = wish(drawn.folders(tmp_path / 'data'), high=high, runtime='onnx')
    run_auto(asked, tmp_path / 'work', say=str)
    table = ['benchmark'] * ('latency' in high)
    assert ran == [*table, 'train', 'search', 'export', 'train', 'deploy', 'test', 'benchmark']
    search = Config.fromfile(tmp_path / 'work/task/search.py')
    ((cost, most),) = high.items()
    assert search.constraints == [dict(metric=cost, high=most)]
    assert search.objectives[1].metric == cost
    assert search.get('latency') == (str(tmp_path / 'work/latency.json') if table else None)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    'task, draw, changes',
    [
        ('seg', drawn.folders, {}),
        pytest.param('det', drawn.coco, {}, marks=pytest.mark.nightly),
        pytest.param('cls', drawn.classes, {}, marks=pytest.mark.nightly),
        pytest.param(
            'seg',
            drawn.folders,
            dict(high={'latency': 1e3}, runtime='openvino'),
            marks=pytest.mark.nightly,
        ),
    ],
    ids=['seg', 'det', 'cls', 'latency'],
)
def test_the_whole_way(
    tmp_path: Path, task: str, draw, changes: dict, capsys: pytest.CaptureFixture
) -> None:
    """And once more, when all of it stands."""
    asked = wish(draw(tmp_path / 'data', number=12), task=task, **changes)
    page = run_auto(asked, tmp_path / 'work')
    text = page.read_text()
    measured = json.loads((tmp_path / 'work/deployed/deploy.json').read_text())['measured']
    assert f'{measured["latency"]["median_ms"]:.1f} ms' in text
    assert text.count('data:image/png') == 3 and 'What to do next' in text
    capsys.readouterr()
    assert run_auto(asked, tmp_path / 'work') == page
    out, steps = capsys.readouterr().out, 9 + ('latency' in asked.high)
    assert out.count('there already') == steps and 'nasvit-mm train' not in out
