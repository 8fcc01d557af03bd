"""What a search says at its end."""

from __future__ import annotations

import pytest

from nasvit_mm.search import Problem, front, last_words
from nasvit_mm.spaces import get_space


@pytest.fixture(scope='module')
def found():
    space = get_space('nasvit')
    goals = [dict(metric='score', goal='max'), dict(metric='macs', goal='min')]
    problem = Problem(space, goals, input_size=64)
    genes = space.genes([space.smallest, space.named['nnmeter_190m']])
    costs = problem.costs(genes)['macs'].tolist()
    records = [
        dict(
            index=i,
            generation=0,
            arch=arch.to_dict(),
            costs=dict(macs=costs[i]),
            metrics=dict(score=1.0 + i),
        )
        for i, arch in enumerate(problem.archs(genes))
    ]
    return problem, records


def test_the_front_and_the_range(found):
    problem, records = found
    (line,) = last_words(problem, records, front(problem, records))
    show = problem.metrics['macs'].show
    low, high = problem.reach('macs')
    a, b = (show(record['costs']['macs']) for record in records)
    assert line.startswith(f'macs: the front covers {a} to {b} of {show(low)} to {show(high)}; ')
    assert line.endswith(f' to {show(high)}') and 'nobody has looked at' in line


def test_what_an_export_takes_and_why(found):
    problem, records = found
    said = last_words(problem, records, front(problem, records), 'nasvit-mm export x.py')[-1]
    assert said.startswith('nasvit-mm export x.py  # takes candidate 1, the best score of the')
    assert '(2)' in said and '--candidate N' in said


def test_of_failures_alone_nothing_is_said(found):
    problem, records = found
    assert not last_words(problem, [dict(r, failed='no') for r in records], [], 'export')
