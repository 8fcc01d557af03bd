"""Starting the command lines as a user does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist

from tests import fork_server

ROOT = Path(__file__).resolve().parents[1]
CONFIG = 'configs/demo/nasvit_demo.py'


def start(tool: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run tools/<tool>.py, or another script by its path from the root, to its end.

    It runs in a fork of a process that has imported what takes seconds; `begin` starts a fresh one.
    """
    command = [str(_script(tool)), *map(str, arguments)]
    if command[0].endswith('.py'):
        return fork_server.run(command, ROOT, _environment())
    process = begin(tool, *arguments)
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def two_processes(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script by torchrun, in two processes on the CPU."""
    env = dict(_environment(), CUDA_VISIBLE_DEVICES='')
    return subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--standalone',
            '--nproc_per_node',
            '2',
            str(script),
            *arguments,
        ],
        capture_output=True,
        text=True,
        env=env,
    )


def agree(script: Path, *arguments: str) -> str:
    """Both of two processes must say that they agree; what else they say."""
    done = two_processes(script, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'rank 0 agrees' in done.stdout and 'rank 1 agrees' in done.stdout
    return done.stdout


def as_rank(main: Callable[[int], None]) -> None:
    """Be one of such processes: run ``main(rank)`` in their group, then say that it agrees."""
    torch.set_num_threads(1)
    dist.init_process_group('gloo')
    rank = dist.get_rank()
    main(rank)
    dist.barrier()  # what main built is gone, which uses threads of the group
    dist.destroy_process_group()
    sys.stdout.write(f'rank {rank} agrees\n')


def begin(tool: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """Start it and return, in a Python of its own."""
    script = _script(tool)
    python = [sys.executable] if script.suffix == '.py' else []
    return subprocess.Popen(
        [*python, str(script), *map(str, arguments)],
        cwd=ROOT,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _script(tool: str) -> Path:
    return ROOT / (tool if '/' in tool else f'tools/{tool}.py')


def _environment() -> dict[str, str]:
    return dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', PYTHON=sys.executable)


def options(data: Path, iterations: int = 4, *more: str) -> list[str]:
    loaders = [f'{split}_dataloader' for split in ('train', 'val', 'test')]
    return [
        '--cfg-options',
        f'train_cfg.max_iters={iterations}',
        f'train_cfg.val_interval={iterations}',
        'train_dataloader.batch_size=2',
        'param_scheduler.0.end=1',
        'param_scheduler.1.begin=1',
        # So few iterations must still teach it something, else all scores are 0 and equal.
        'param_scheduler.0.start_factor=1.0',
        'optim_wrapper.optimizer.lr=0.01',
        *[
            f'{loader}.{key}'
            for loader in loaders
            for key in (f'dataset.data_root={data}', 'num_workers=0', 'persistent_workers=False')
        ],
        *more,
    ]


def metrics(output: str, split: str) -> dict[str, float]:
    line = [line for line in output.splitlines() if f'Iter({split})' in line and 'mIoU' in line][-1]
    return {
        name: float(re.search(rf'{name}: ([\d.]+)', line)[1]) for name in ('aAcc', 'mIoU', 'mAcc')
    }


def error_line(code: int, stderr: str) -> str:
    """The one error line of a command that ended as a mistake of its user."""
    assert code == 2, stderr[-3000:]
    assert 'Traceback' not in stderr
    lines = [line for line in stderr.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1
    return lines[0]
