"""What a search says while it runs."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.config import Config
from rich.console import Console

from nasvit_mm.errors import UsageError
from nasvit_mm.search import Archive, Problem, Scalars, SearchBar, build_visualizer, search
from nasvit_mm.search.evaluators.on_dask import await_workers
from nasvit_mm.search.halving import Rung
from nasvit_mm.search.loop import Silent
from nasvit_mm.spaces import get_space
from tests.test_search.common import algorithm, problem, spec


def searched(generations: int = 2, halving: tuple[Rung, ...] = (), children: int = 12) -> Any:
    """What a bar knows of a search."""
    problem = Problem(get_space('nasvit'), ['macs', 'params'], input_size=64)
    algorithm = SimpleNamespace(generations=generations, children=children)
    return SimpleNamespace(problem=problem, algorithm=algorithm, halving=halving)


def told(console: Console, every: float, **listeners: Any) -> SearchBar:
    """Tell of two generations of four and three candidates, of which one fails."""
    plan = searched(children=3)
    with SearchBar(plan, console, every=every, **listeners) as bar:
        for generation, costs in enumerate([((5, 2), (4, 4), (2, 5), (6, 6)), ((1, 3), (3, 1))]):
            bar.begin(generation, 4 - generation)
            for macs, params in costs:
                index = bar.standing.number
                costs = dict(macs=float(macs), params=float(params))
                bar.done(dict(index=index, generation=generation, arch={}, costs=costs, metrics={}))
        bar.done(dict(index=6, generation=1, arch={}, costs={}, metrics={}, failed='no memory'))
    return bar


@pytest.mark.parametrize(('every', 'lines'), [(0, 7), (1000, 0)])
def test_lines_instead_of_a_bar(every: float, lines: int) -> None:
    file = io.StringIO()
    told(Console(file=file, width=80), every)
    said = [line for line in file.getvalue().strip().splitlines() if 'failed:' not in line]
    assert len(said) == lines
    if lines:
        assert said[3].startswith(
            '4 of 7 candidates, generation 1 of 2, best macs 2, best params 2, 3 on the front, '
        )
        assert '1 failed, best macs 1, best params 1, 2 on the front' in said[-1]
        assert said[-1].endswith(' left not known yet')  # as if all had been in the archive


class Watched:
    """A bar over a search of 12 candidates in each of two generations, whose time is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, halving: tuple[Rung, ...] = ()) -> None:
        self.now, self.file = 1000.0, io.StringIO()
        monkeypatch.setattr('nasvit_mm.search.progress.time.monotonic', lambda: self.now)
        self.bar = SearchBar(searched(2, halving), Console(file=self.file, width=300), every=0)

    def measure(self, share: float = 1.0, seconds: float = 8.0) -> None:
        """An image takes as long in a look as in the whole."""
        self.now += seconds * share
        self.bar.measured(share)

    def done(self, **result: Any) -> str:
        """Tell of the next record, and return the line that was printed of it."""
        index, costs = self.bar.standing.number, dict(macs=1.0, params=1.0)
        record = dict(index=index, generation=0, arch={}, costs=costs, metrics={}, **result)
        self.bar.done(record)
        return self.file.getvalue().splitlines()[-1]


def test_what_the_archive_had_took_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 24 candidates six were there, in a second; two more took 8 s each."""
    told = Watched(monkeypatch)
    told.bar.begin(0, 12)
    for _ in range(6):
        told.now += 1 / 6
        assert told.done().endswith('time left not known yet')
    told.measure()
    assert told.done().endswith(f', 0:{17 * 8 // 60:02}:{17 * 8 % 60:02} left')
    told.measure()
    assert told.done().endswith(f', 0:{16 * 8 // 60:02}:{16 * 8 % 60:02} left')


def test_looks_are_work_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """12 on a quarter of the images, 6 of these on half, 3 on all: 9 whole ones a generation.

    There is a line in each look, whose last part says the same as a clock.
    """
    told = Watched(monkeypatch, (Rung(0.25, 0.5), Rung(0.5, 0.5)))
    told.bar.begin(0, 12)
    work = 0.0
    for number, share, candidates in ((1, 0.25, 12), (2, 0.5, 6)):
        for i in range(candidates):
            told.measure(share)
            told.bar.look(number, i + 1, candidates)
            work += share
            said = told.file.getvalue().splitlines()[-1]
            assert said.startswith('0 of 24 candidates, generation 1 of 2, ')
            assert f'look {number}: {i + 1} of {candidates}' in said or i + 1 == candidates
            assert said.endswith(f', {timedelta(seconds=round(8 * (18 - work)))} left')
    for _ in range(9):
        said = told.done(stopped='behind')
    for _ in range(3):
        told.measure()
        said = told.done()
    assert said.endswith(f', {timedelta(seconds=8 * 9)} left')


def test_a_search_tells_of_what_it_evaluates(tmp_path: Path) -> None:
    """On what share of the images, and not of what the archive has."""

    class Told(Silent):
        def __init__(self) -> None:
            self.shares: list[float] = []

        def measured(self, share: float) -> None:
            self.shares.append(share)

    def run(resume: bool) -> list[float]:
        told, archive = Told(), Archive.open(tmp_path, dict(search='told'), resume)
        halving = (Rung(0.25, 0.5), Rung(0.5, 0.5))
        of = problem()
        one = algorithm(of, generations=1)
        search(of, one, archive, spec(), progress=told, halving=halving)
        return told.shares

    assert run(False) == [0.25] * 12 + [0.5] * 6 + [1.0] * 3
    assert run(True) == []


def test_a_table_on_a_terminal() -> None:
    file = io.StringIO()
    told(Console(file=file, width=100, force_terminal=True), 1000)
    shown = file.getvalue()[-2000:]
    for part in ('1 failed', 'best macs', 'candidate 4', 'candidate 5', '2 on the front, '):
        assert part in shown


def test_the_hypervolume_grows_from_the_first_generations() -> None:
    """To the worst values of the first, (6, 6); here counted by squares."""
    squares = [(x, y) for x in range(6) for y in range(6)]

    def area(front: list[tuple[int, int]]) -> int:
        return sum(any(a <= x and b <= y for a, b in front) for x, y in squares)

    standing = told(Console(file=io.StringIO()), 1000).standing
    grown = area([(1, 3), (3, 1)]) / area([(5, 2), (4, 4), (2, 5)])
    assert standing.growth == pytest.approx(grown)


def test_scalars_of_each_generation_that_is_new() -> None:
    sent: list[tuple[int, dict]] = []
    visualizer: Any = SimpleNamespace(
        add_scalars=lambda scalars, step: sent.append((step, scalars)), close=lambda: None
    )
    bar = told(Console(file=io.StringIO()), 1000, scalars=Scalars(visualizer))
    assert [step for step, _ in sent] == [4, 7]
    assert sent[0][1] == {
        'best/macs': 2.0,
        'best/params': 2.0,
        'front': 3,
        'failed': 0,
        'hypervolume': 1.0,
    }
    assert sent[1][1]['hypervolume'] == bar.standing.growth and sent[1][1]['failed'] == 1
    sent.clear()
    told(Console(file=io.StringIO()), 1000, scalars=Scalars(visualizer, known=4))
    assert [step for step, _ in sent] == [7]


def test_a_visualizer_writes_into_the_work_dir(tmp_path: Path) -> None:
    given = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
    for folder in ('a', 'b'):  # mmengine gives no second one of a name
        scalars = Scalars(build_visualizer(Config(), given, tmp_path / folder))
        told(Console(file=io.StringIO()), 1000, scalars=scalars)
        (file,) = (tmp_path / folder).rglob('scalars.json')
        assert [json.loads(line)['step'] for line in file.read_text().splitlines()] == [4, 7]
    with pytest.raises(UsageError, match="type = 'Nothing': no visualizer"):
        build_visualizer(Config(), dict(type='Nothing'), tmp_path)


class Cluster:
    """A Dask client as far as it is asked for workers."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def scheduler_info(self) -> dict[str, Any]:
        return dict(workers=dict.fromkeys(range(self.workers)))

    def wait_for_workers(self, number: int, timeout: float) -> None:
        raise TimeoutError


def test_a_cluster_without_workers(capsys: pytest.CaptureFixture) -> None:
    await_workers(Cluster(1), 'tcp://x:1')
    assert not capsys.readouterr().out
    with pytest.raises(UsageError, match='no worker after 2 s; start some: dask worker tcp://x:1'):
        await_workers(Cluster(0), 'tcp://x:1', 2)
    assert 'waiting for workers of tcp://x:1' in capsys.readouterr().out
