"""What the tests' own way of starting a script owes them: a fork that behaves as `python FILE`."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.commands import ROOT, start

SCRIPT = """
import atexit, multiprocessing, os, sys
atexit.register(print, 'at exit')
print(__name__, sys.argv[1:], os.getcwd(), multiprocessing.get_start_method())
print(sys.path[0], file=sys.stderr)
{end}
"""


@pytest.mark.parametrize(
    'end, code, said',
    [
        ('', 0, ''),
        ('sys.exit(3)', 3, ''),
        ('sys.exit("a mistake")', 1, 'a mistake\n'),
        ('raise KeyError("lost")', 1, "KeyError: 'lost'\n"),
    ],
)
def test_a_script_runs_as_by_python(tmp_path: Path, end: str, code: int, said: str) -> None:
    (tmp_path / 'script.py').write_text(SCRIPT.format(end=end))
    done = start(str(tmp_path / 'script.py'), '--all', tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stdout == f"__main__ ['--all', '{tmp_path}'] {ROOT} fork\nat exit\n"
    assert done.stderr.startswith(f'{tmp_path}\n') and done.stderr.endswith(said)


def test_a_test_that_ends_early_leaves_no_script_behind(tmp_path: Path) -> None:
    """As pytest-timeout ends it: an exception out of a signal, while the script runs."""
    pids, script = tmp_path / 'pids', tmp_path / 'script.py'
    script.write_text(
        'import os, subprocess, sys, time\n'
        'child = subprocess.Popen(["sleep", "60"])\n'
        f'open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}\\n")\n'
        'time.sleep(60)\n'
    )

    def interrupt() -> None:
        while not (pids.exists() and pids.read_text().endswith('\n')):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGUSR1)

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(TimeoutError):
            start(str(script))
    finally:
        signal.signal(signal.SIGUSR1, before)
    deadline = time.monotonic() + 10
    while any(map(_runs, pids.read_text().split())):
        assert time.monotonic() < deadline, 'the script or its child still runs'
        time.sleep(0.01)


def _runs(pid: str) -> bool:
    try:
        return Path('/proc', pid, 'stat').read_text().rpartition(') ')[2][0] != 'Z'
    except FileNotFoundError:
        return False
