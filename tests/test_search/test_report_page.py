"""What a browser makes of a search's report: on a phone, by mouse, touch and keys, at night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasvit_mm.search import Problem, front, write_report
from nasvit_mm.search.algorithms import Forecast
from nasvit_mm.spaces import get_space
from tests.browser import Browser, Page, browser, needs_browser

pytestmark = needs_browser
GOALS = ['score', 'macs']
COMMAND = "nasvit-mm export 'a search.json' --work-dir run"
TEXT = "document.getElementById('{}').textContent"
TEXTS = "[...document.querySelectorAll('{}')].map(node => node.textContent)"


@pytest.fixture(scope='module')
def chrome() -> Iterator[Browser]:
    with browser() as found:
        yield found


def written(
    folder: Path,
    objectives: Sequence[Any] = GOALS,
    constraints: Sequence[dict] = (),
    forecasts: Sequence[Forecast] = (),
    lost: dict[int, dict] | None = None,
    title: str = 'a search',
) -> tuple[Path, list[dict]]:
    """Write the report of 24 candidates, the better the more they cost, each third one more so.

    Args:
        lost: what more there is to say of a candidate that has no metrics.

    Returns:
        The page, and the records of the front by their cost.
    """
    problem = Problem(get_space('nasvit'), objectives, constraints, input_size=64)
    genes = problem.sample(np.random.default_rng(0), 24)
    if not constraints:
        genes[:2] = problem.space.genes([problem.space.smallest, problem.space.largest])
    costs = problem.costs(genes)
    records = []
    for index, arch in enumerate(problem.archs(genes)):
        cost = {name: values[index].item() for name, values in costs.items()}
        score = cost.get('macs', 0) / 1e6 + 20 * (index % 3)
        record = dict(index=index, generation=index // 12, arch=arch.to_dict(), costs=cost)
        records.append(dict(record, metrics={n: score for n in problem.needed_metrics}))
        if index in (lost or {}):
            records[-1].update(metrics={}, **lost[index])
    best = front(problem, records)
    write_report(folder, problem, records, best, title, {}, forecasts, {}, COMMAND)
    return folder / 'report.html', sorted(best, key=lambda r: r['costs']['macs'])


def marked(page: Page, kind: str) -> list[str]:
    return page(TEXTS.format(f'#scatter text.{kind}'))


@pytest.fixture(scope='module')
def plain(tmp_path_factory) -> tuple[Path, list[dict]]:
    return written(tmp_path_factory.mktemp('plain'))


STOPPED = dict(stopped='behind', looks=[dict(score=3.0)])


def test_candidates_without_metrics_are_counted_and_not_drawn(chrome, tmp_path) -> None:
    lost = {4: dict(failed='boom'), 7: STOPPED, 8: STOPPED, 20: STOPPED}
    page = chrome.open(written(tmp_path, lost=lost)[0])
    assert page(TEXT.format('summary')).startswith('24 candidates, 3 stopped early, 1 failed, ')
    assert len(page(TEXTS.format('circle'))) == 20
    assert page("document.querySelectorAll('polyline').length") == 2
    assert 'NaN' not in page('document.documentElement.outerHTML')


@pytest.mark.parametrize('dark', [False, True])
@pytest.mark.parametrize('width', [400, 1280])
def test_nothing_is_cut_off(chrome, tmp_path, width: int, dark: bool) -> None:
    """And what is written stands out from the page, at night too."""
    page = chrome.open(written(tmp_path, title='a_long_name' * 9)[0], width, dark=dark)
    assert page('innerWidth') == width
    assert page('document.documentElement.scrollWidth') <= width
    widest = "Math.max(...[...document.querySelectorAll('svg text')].map(t => {}))"
    assert page(widest.format('t.getBoundingClientRect().right')) <= width
    assert page(widest.format('-t.getBoundingClientRect().left')) <= 0
    light = '(key => getComputedStyle(document.body)[key].match(/\\d+/g).reduce((a, b) => +a + +b))'
    written_in, on = page(f"{light}('color')"), page(f"{light}('backgroundColor')")
    assert (written_in - on > 400) if dark else (on - written_in > 400)


def test_every_front_has_a_row(chrome, plain) -> None:
    path, best = plain
    space = get_space('nasvit')
    shown = chrome.open(path)(TEXTS.format('td.arch'))
    assert sorted(shown) == sorted(str(space.arch(r['arch'])) for r in best)


def test_arrow_keys_walk_along_the_front(chrome, plain) -> None:
    path, best = plain
    assert len(best) > 2
    page = chrome.open(path)
    page.key('Tab')
    for key, place in (('', 0), ('ArrowRight', 1), ('ArrowRight', 2), ('ArrowLeft', 1)):
        if key:
            page.key(key)
        said = page(TEXT.format('chosen'))
        assert said.startswith(f'candidate {best[place]["index"]} of ')
    page.key('Tab')  # the rest of the front is behind the arrows
    assert page('document.activeElement.textContent') == 'copy architecture'


def test_the_mouse_copies_what_was_clicked(chrome, plain) -> None:
    """Not what it moved over on its way to the button."""
    path, best = plain
    page = chrome.open(path)
    clicked, crossed = (f'circle[data-index="{best[i]["index"]}"]' for i in (1, 2))
    page.click(page.place(clicked))
    page.mouse('mouseMoved', page.place(crossed))
    chosen = best[1]
    arch = str(get_space('nasvit').arch(chosen['arch']))
    for place, text in enumerate([arch, f'{COMMAND} --candidate {chosen["index"]}']):
        page.click(page.place('#chosen button', place))
        assert page('navigator.clipboard.readText()') == text
        assert page(f"document.querySelectorAll('#chosen button')[{place}].textContent") == 'copied'


def test_where_nothing_can_be_copied_it_is_there_to_select(chrome, plain) -> None:
    path, best = plain
    page = chrome.open(path, clipboard=False)
    page.click(page.place(f'circle[data-index="{best[0]["index"]}"]'))
    page.click(page.place('#chosen button', 1))
    assert page('new Promise(then => setTimeout(() => then(1), 100))')
    assert 'select it above and copy' in page(TEXTS.format('#chosen button'))
    assert f'{COMMAND} --candidate {best[0]["index"]}' in page(TEXTS.format('#chosen code'))


def test_a_finger_beside_a_point_chooses_it(chrome, plain) -> None:
    path, best = plain
    page = chrome.open(path, 400, touch=True)
    at = page.place(f'circle[data-index="{best[-1]["index"]}"]')
    page.tap(dict(x=at['x'] + 9, y=at['y'] - 9))
    assert page('new Promise(then => setTimeout(() => then(1), 100))')
    assert page(TEXT.format('chosen')).startswith(f'candidate {best[-1]["index"]} of ')


def test_budgets_and_known_networks(chrome, tmp_path, plain) -> None:
    """Lines where they are near the candidates, else at the end of the axis with their value."""
    page = chrome.open(plain[0])
    assert marked(page, 'mark') == ['smallest', 'largest']
    assert page("document.querySelectorAll('#scatter line.mark').length") == 2

    constraints = [dict(metric='macs', low=35e6, high=40e6), dict(metric='params', high=1e9)]
    page = chrome.open(written(tmp_path, constraints=constraints)[0], 400)
    assert marked(page, 'bound') == ['at least', 'at most']
    assert page("document.querySelectorAll('#scatter line.bound').length") == 2
    low, high = (
        v / 1e6 for v in Problem(get_space('nasvit'), ['macs'], input_size=64).reach('macs')
    )
    ends = [f'\u2190 smallest {low:.2f} MMACs', f'largest {high:.2f} MMACs \u2192']
    assert marked(page, 'mark') == ends
    assert page("document.querySelectorAll('#scatter line.mark').length") == 0


@pytest.mark.parametrize('objectives', [GOALS, ['macs', 'params']])
def test_labels_do_not_touch_each_other(chrome, tmp_path, objectives) -> None:
    constraints = [dict(metric='macs', low=39e6, high=40e6)]
    page = chrome.open(written(tmp_path, objectives, constraints)[0], 400)
    boxes = page(
        "[...document.querySelectorAll('#scatter text.bound, #scatter text.mark')]"
        '.map(node => node.getBoundingClientRect().toJSON())'
    )
    for a, b in combinations(boxes, 2):
        apart = a['right'] < b['left'] or b['right'] < a['left']
        assert apart or a['bottom'] <= b['top'] + 2 or b['bottom'] <= a['top'] + 2


def test_a_budget_along_the_first_objective(chrome, tmp_path) -> None:
    page = chrome.open(written(tmp_path, ['macs', 'score'], [dict(metric='macs', high=50e6)])[0])
    assert marked(page, 'bound') == ['at most']
    assert page("document.querySelectorAll('#scatter line.bound').length") == 1


def test_parameters_have_prefixes(chrome, tmp_path) -> None:
    page = chrome.open(written(tmp_path, ['score', 'params', 'macs'])[0])
    assert all(text.endswith(' M') for text in page(TEXTS.format('#scatter text'))[:3])


def test_a_forecast_of_every_objective(chrome, tmp_path) -> None:
    values = np.arange(5.0)
    forecasts = [Forecast(g, name, values, values) for g in (0, 1) for name in ('score', 'other')]
    page = chrome.open(written(tmp_path, ['score', 'other', 'macs'], forecasts=forecasts)[0])
    assert len(page(TEXTS.format('svg.forecast'))) == 2
    said = page(TEXTS.format('#forecasts p'))
    assert [text.partition(' ')[0] for text in said] == ['score', 'other']
    assert all('1.00, 1.00.' in text for text in said)
