"""What a search says where there is no terminal."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from nasvit_mm.errors import UsageError
from nasvit_mm.search import Problem, SearchBar
from nasvit_mm.search.evaluators.on_dask import await_workers
from nasvit_mm.spaces import get_space


@pytest.mark.parametrize(('every', 'lines'), [(0, 4), (1000, 0)])
def test_lines_instead_of_a_bar(every: float, lines: int) -> None:
    problem = Problem(get_space('nasvit'), ['macs', 'params'], input_size=64)
    plan: Any = SimpleNamespace(problem=problem, algorithm=SimpleNamespace(generations=2))
    file = io.StringIO()
    with SearchBar(plan, Console(file=file, width=80), every=every) as bar:
        bar.begin(0, 4)
        for i in range(4):
            costs = dict(macs=10.0 - i, params=float(i))
            bar.done(dict(index=i, generation=0, arch={}, costs=costs, metrics={}))
    said = file.getvalue().strip().splitlines()
    assert len(said) == lines
    if lines:
        assert said[-1].startswith('4 of 8 candidates, generation 1 of 2, best macs 7, 4 on the')
        assert said[-1].endswith(' left')


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
