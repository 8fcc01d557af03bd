"""The report of a search in which figures are missing, and of a config with any text in it."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import PlainConsole
from nasvit_mm.search import front, front_table, write_report
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


def test_names_in_the_terminal_are_text(capsys, monkeypatch):
    space = problem().space
    record = dict(index=0, arch=space.smallest.to_dict(), costs={'macs': 1.0}, metrics={'score': 1})
    name = '[red]a[/red]\x1b[31m:smile:'
    monkeypatch.setattr(type(space.smallest), '__str__', lambda self: name)
    PlainConsole(width=200).print(name, front_table(problem(), [record]))
    said = capsys.readouterr().out
    assert said.count(r'[red]a[/red]\x1b[31m:smile:') == 2 and '\x1b' not in said
