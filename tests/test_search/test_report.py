"""The report of a search in which figures are missing, and of a config with any text in it."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.config import Config

from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import PlainConsole
from nasvit_mm.search import Clock, described, front, front_table, write_report
from tests.test_search.common import problem, run
from tests.test_search.toy import Toy

TEXT = '<!--<script> </script> $a$ $b_{$ [red] \x1b[31m'


@pytest.fixture
def written(tmp_path, monkeypatch) -> Path:
    """Some candidates have no secondary figure, some none at all."""
    whole, log = Toy.__call__, []

    def some(self, arch):
        log.append(arch)
        found = whole(self, arch)
        found['other'] = found['other'] if len(log) % 2 else float('nan')
        return dict(found, score=float('nan')) if len(log) % 5 == 0 else found

    monkeypatch.setattr(Toy, '__call__', some)
    records = run(tmp_path)
    best = front(problem(), records)
    assert front_table(problem(), best).row_count == min(20, len(best))
    assert all(
        path.stat().st_size
        for path in write_report(tmp_path, problem(), records, best, TEXT, dict(text=TEXT))
    )
    return tmp_path


def test_no_text_ends_the_data(written):
    page = (written / 'report.html').read_text()
    data = page.split('id="data">')[1].split('</script>')[0]
    assert '<' not in data and json.loads(data)['title'] == TEXT
    assert sum('failed' in r for r in json.loads(data)['records']) == 7


def test_a_full_disk_leaves_the_earlier_report(written, monkeypatch):
    names = ('front.json', 'front.png', 'report.html')
    before = [(written / name).read_bytes() for name in names]

    def full(*_, **__):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr('matplotlib.figure.Figure.savefig', full)
    with pytest.raises(UsageError, match='front.png cannot be written'):
        write_report(written, problem(), [], [], 'another', {})
    assert before == [(written / name).read_bytes() for name in names]
    assert not list(written.glob('*.part'))


def of_task(data: dict, metrics: Sequence[str] = ('mIoU',)) -> Any:
    """A problem, as far as it is described."""
    model = dict(type='EncoderDecoder', decode_head=dict(type='SegformerHead'))
    task = SimpleNamespace(cfg=Config(dict(model=model, **data)))
    space = problem().space
    return SimpleNamespace(space=space, task=task, input_size=(64, 96), needed_metrics=metrics)


VAL = dict(type='ADE20KDataset', data_root='data/ade')
MORE = dict(type='nasvit_mm.CocoFolder', ann_file='a.json')


@pytest.mark.parametrize(
    ('dataset', 'words'),
    [
        (VAL, 'ADE20KDataset in data/ade'),
        (dict(type='RepeatDataset', dataset=VAL), 'ADE20KDataset in data/ade'),
        (
            dict(type='ConcatDataset', datasets=[VAL, MORE, VAL]),
            'ADE20KDataset in data/ade, CocoFolder',
        ),
    ],
)
def test_the_data_set_is_named(dataset, words, tmp_path):
    task = of_task(dict(val_dataloader=dict(dataset=dataset)))
    assert described(task, tmp_path)['data'] == words
    task = of_task(dict(train_dataloader=dict(dataset=dataset), val_dataloader=None))
    about = described(task, tmp_path)
    assert about['data'] == words and about['task'] == 'EncoderDecoder with SegformerHead'
    assert 'data' not in described(of_task({}), tmp_path)


def test_when_and_where_it_ran_stays_true(tmp_path):
    """Whoever resumes a search that has ended, on whatever machine, evaluates nothing."""
    assert not {'finished', 'device', 'took'} & set(described(of_task({}), tmp_path))
    file = tmp_path / 'timings.jsonl'
    file.write_text('{"index": 0, "seconds": 50}\n')  # of an earlier version
    assert described(of_task({}), tmp_path)['took'] == '0:00:50'
    line = dict(index=1, seconds=11, ended='2021-03-04T05:06:07', device='a GPU')
    with file.open('a') as more:
        more.write(json.dumps(line) + '\n')
    for index in (0, 1):
        Clock(tmp_path, 2, 'a laptop').done(dict(index=index))
    about = described(of_task({}), tmp_path)
    told = {key: about[key] for key in ('device', 'finished', 'took')}
    assert told == dict(device='a GPU', finished='2021-03-04', took='0:01:01')
    Clock(tmp_path, 2, 'a laptop').done(dict(index=2))
    about = described(of_task({}), tmp_path)
    assert about['device'] == 'a GPU, a laptop'
    assert about['finished'] == date.today().isoformat()


def test_names_in_the_terminal_are_text(capsys, monkeypatch):
    space = problem().space
    record = dict(index=0, arch=space.smallest.to_dict(), costs={'macs': 1.0}, metrics={'score': 1})
    name = '[red]a[/red]\x1b[31m:smile:'
    monkeypatch.setattr(type(space.smallest), '__str__', lambda self: name)
    PlainConsole(width=200).print(name, front_table(problem(), [record]))
    said = capsys.readouterr().out
    assert said.count(r'[red]a[/red]\x1b[31m:smile:') == 2 and '\x1b' not in said
