"""Two processes: the same step as one that averages, and absent gradients stay absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import agree

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ('space', 'rule', 'draws'),
    [
        ('nasvit', 'project', 'same'),
        ('elasticvit', 'sum', 'rank_draws'),
        ('vitas_deit_small', 'project', 'rank_draws'),
        ('vitas_twins', 'sum', 'same'),
    ],
)
def test_two_processes_step_like_one(space, rule, draws):
    said = agree(HERE / 'two_processes_script.py', space, rule, draws)
    # Without batch norms also like one that has both batches.
    assert ('as the joined batch' in said) == (space == 'vitas_twins')


def test_two_processes_have_one_memory_bank():
    agree(HERE / 'two_banks_script.py')
