"""Two processes: the same step as one that averages, and absent gradients stay absent."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import agree

SCRIPT = Path(__file__).parent / 'two_processes_script.py'


@pytest.mark.parametrize(('space', 'rule', 'draws'), [
    ('nasvit', 'project', 'same'), ('elasticvit', 'sum', 'rank_draws'),
    ('vitas_deit_small', 'project', 'rank_draws'), ('vitas_twins', 'sum', 'same')])
def test_two_processes_step_like_one(space, rule, draws):
    agree(SCRIPT, space, rule, draws)
