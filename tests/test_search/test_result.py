"""A search as a notebook shows it: table, picture, architecture."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure

from nasvit_mm import get_space
from nasvit_mm.apis import Search
from nasvit_mm.errors import UsageError

BEFORE = Path(__file__).with_name('before') / 'evaluated.jsonl'


@pytest.fixture
def found(tmp_path) -> Search:
    shutil.copy(BEFORE, tmp_path / 'archive.jsonl')
    return Search.load(tmp_path)


def points(axes) -> list[set]:
    return [set(zip(*line.get_data())) for line in axes.lines]


def test_all_candidates_and_the_front_are_drawn(found):
    axes = Figure().subplots()
    assert found.plot(axes=axes) is axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ('macs (G MACs)', 'score')
    candidates, front = points(axes)
    assert front == {(r['costs']['macs'] / 1e9, r['metrics']['score']) for r in found.front()}
    assert front < candidates and len(candidates) == len(found.records)


def test_other_costs_can_be_drawn(found):
    axes = found.plot('candidate', 'backbone.params', axes=Figure().subplots())
    assert axes.get_ylabel() == 'backbone.params (M params)'
    assert {x for x, _ in points(axes)[0]} == {r['index'] for r in found.records}
    with pytest.raises(UsageError, match=r"x = 'mcas' \(did you mean macs"):
        found.plot('mcas')


def test_a_figure_of_its_own(found):
    pyplot = pytest.importorskip('matplotlib.pyplot')
    axes = found.plot()
    assert pyplot.gcf() is axes.figure
    pyplot.close(axes.figure)


def test_a_report_leaves_the_back_end_alone(found, tmp_path):
    from nasvit_mm.search.record.report import _draw
    from tests.test_search.common import problem

    before = matplotlib.get_backend()
    matplotlib.use('svg')
    try:
        best = [r for r in found.front()]
        _draw(tmp_path / 'front.png', problem(), found.records, best, 'macs', 'score', 'a')
        assert matplotlib.get_backend() == 'svg'
    finally:
        matplotlib.use(before)


def test_a_failed_candidate_is_counted_and_not_drawn(tmp_path):
    lines = BEFORE.read_text().splitlines()
    record = json.loads(lines[1])
    lines[1] = json.dumps(dict(record, metrics={}, failed='out of memory'))
    (tmp_path / 'archive.jsonl').write_text('\n'.join(lines) + '\n')
    found = Search.load(tmp_path)
    axes = found.plot(axes=Figure().subplots())
    assert len(points(axes)[0]) == len(found.records) - 1
    assert '1 failed' in axes.get_legend().get_texts()[0].get_text()
    assert found.names == ['score', 'macs', 'backbone.params']
    assert f'{len(found.records)} candidates of nasvit, 1 failed, ' in repr(found)


def test_the_front_is_a_table(found):
    shown, best = found._repr_html_(), found.front()
    rows = re.findall('<tr><td>(.*?)</td></tr>', shown)
    assert len(rows) == len(best)
    for row, record in zip(rows, best):
        cells = row.split('</td><td>')
        assert int(cells[0]) == record['index']
        assert float(cells[1]) == pytest.approx(record['metrics']['score'], rel=1e-4)
        assert found.space.arch(cells[-1]) == found.arch(record)
    assert '&lt;Search' in shown and json.loads(json.dumps(best)) == list(best)


def test_a_front_within_other_bounds(found):
    """As if the search had had no other candidates."""
    macs = sorted(r['costs']['macs'] for r in found.records)
    low, high = macs[len(macs) // 4], macs[3 * len(macs) // 4]
    within = [r for r in found.records if low <= r['costs']['macs'] <= high]
    best = found.front(low={'macs': low}, high={'macs': high})
    assert best == Search(found.folder, found.identity, within).front()
    assert best and best != found.front()
    params = max(r['costs']['backbone.params'] for r in found.records)
    assert found.front(high={'backbone.params': params}) == found.front()
    assert found.front(low={'macs': macs[-1] + 1}) == []


@pytest.mark.parametrize(
    ('bounds', 'said'),
    [
        (dict(high={'mcas': 1e9}), r"high = 'mcas' \(did you mean macs"),
        (dict(low={'score': 1}), "low = 'score', allowed: macs, backbone.params"),
        (dict(low={'macs': '3e9'}), r"low\['macs'\] = '3e9'"),
    ],
)
def test_bounds_that_are_none(bounds, said, found):
    with pytest.raises(UsageError, match=said):
        found.front(**bounds)


def test_a_long_front_is_shown_in_part(found):
    best = found.front()
    many = type(best)(list(best) * 40, found)
    shown = many._repr_html_()
    assert shown.count('<tr><td>') <= 20 and f'of {len(many)} candidates' in shown


def test_an_architecture_is_a_table_that_can_be_given_back():
    space = get_space('nasvit')
    shown = space.smallest._repr_html_()
    assert shown.count('<tr>') == len(space.fields)
    assert space.arch(re.search('<code>(.*)</code>', shown)[1]) == space.smallest
