"""The report of a search in which figures are missing, and of a config with any text in it."""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
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


def shown(page: Path, *options: str) -> str:
    """What a browser makes of a page."""
    command = ['chromium', '--headless', '--no-sandbox', '--disable-gpu', *options, '--dump-dom']
    return subprocess.run(
        [*command, f'file://{page}'], capture_output=True, text=True, timeout=120
    ).stdout


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


@pytest.mark.skipif(not shutil.which('chromium'), reason='needs a browser')
def test_what_the_page_shows(written):
    dom = shown(written / 'report.html')
    assert '36 candidates, 7 failed, ' in dom
    assert dom.count('<circle') == 29 and dom.count('<polyline') == 2
    assert dom.count('class="arch"') == len(json.loads((written / 'front.json').read_text()))


WATCHED = """
<script>
{
  const dots = document.querySelectorAll('#scatter circle.front');
  dots[0].focus();
  dots[0].dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));
  document.body.dataset.chosen = document.activeElement.dataset.index;
  document.body.dataset.overflow = document.documentElement.scrollWidth - innerWidth;
}
</script>
"""


@pytest.mark.skipif(not shutil.which('chromium'), reason='needs a browser')
@pytest.mark.parametrize('width', [400, 1280])
def test_the_page_on_a_phone_and_by_keyboard(written, width):
    """Nothing is cut off, and the arrow keys walk along the front, a candidate's text with it."""
    page = written / 'watched.html'
    page.write_text((written / 'report.html').read_text().replace('</body>', WATCHED + '</body>'))
    dom = shown(page, f'--window-size={width},900')
    best = json.loads((written / 'front.json').read_text())
    by_cost = sorted(best, key=lambda r: r['costs']['macs'])
    second = by_cost[min(1, len(by_cost) - 1)]
    assert f'data-chosen="{second["index"]}"' in dom
    assert f'candidate {second["index"]} of generation {second["generation"]}: ' in dom
    overflow = int(re.search(r'data-overflow="(-?\d+)"', dom)[1])
    assert overflow <= 0
    assert str(problem().space.arch(second['arch'])) in dom
    assert dom.count('class="bound"') + dom.count('class="mark"') >= 2
