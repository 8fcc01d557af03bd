"""Two processes: the same step as one that averages, and absent gradients stay absent."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / 'two_processes_script.py'


@pytest.mark.parametrize(('space', 'rule', 'draws'), [
    ('nasvit', 'project', 'same'), ('elasticvit', 'sum', 'rank_draws'),
    ('vitas_deit_small', 'project', 'rank_draws'), ('vitas_twins', 'sum', 'same')])
def test_two_processes_step_like_one(space, rule, draws):
    done = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2',
         str(SCRIPT), space, rule, draws], capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH': str(Path.cwd()), 'OMP_NUM_THREADS': '1'})
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'rank 0 agrees' in done.stdout and 'rank 1 agrees' in done.stdout
