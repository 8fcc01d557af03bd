"""Run scripts in forks of a Python that has imported torch and the OpenMMLab packages.

Starting a command line takes seconds of imports, the same ones every time; a fork has them. The
standard library's fork server makes the forks. What it imports beforehand is of others, but for
the compat room, which has to come first; so a tool still brings its own parts.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np

PACKAGES = [
    'nasvit_mm.compat',
    'torchvision',
    'timm',
    'mmengine.runner',
    'mmcv.ops',
    'mmseg.apis',
    'mmdet.apis',
    'pymoo.core.problem',
    'scipy.stats',
    'matplotlib.pyplot',
    'rich.progress',
]

CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload([*PACKAGES, __name__])


def run(command: list[str], folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `python *command` in the folder, to its end; an exception here ends the script too."""
    with tempfile.TemporaryDirectory() as out:
        streams = [Path(os.devnull), Path(out, 'stdout'), Path(out, 'stderr')]
        process = CONTEXT.Process(target=_script, args=(command, folder, env, streams))
        # The server starts with the first process, in the environment of that moment. A child would
        # run the main module again: pytest's, but an empty one is nothing to run.
        with (
            mock.patch.dict(os.environ, env, PYTHONWARNINGS='ignore'),
            mock.patch.dict(sys.modules, __main__=ModuleType('__main__')),
        ):
            process.start()
        try:
            process.join()
        except BaseException:  # a test that ran out of time would leave a script behind
            process.kill()
            with contextlib.suppress(ProcessLookupError):  # nobody else was in its session
                os.killpg(process.pid, signal.SIGKILL)
            raise
        stdout, stderr = (path.read_text() for path in streams[1:])
        return subprocess.CompletedProcess(command, process.exitcode, stdout, stderr)


def _script(command: list[str], folder: Path, env: dict[str, str], streams: list[Path]) -> None:
    """Be `python *command`; multiprocessing turns SystemExit and errors into the exit code."""
    os.setsid()
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    multiprocessing.set_start_method(None, force=True)  # the script's own choice, not forkserver
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = command
    sys.path.insert(0, str(Path(command[0]).parent))
    np.random.seed()  # else all forks would draw alike, whether or not a tool seeds its draws
    for name in PACKAGES:  # the server is silent about one that it failed to import
        importlib.import_module(name)
    try:
        runpy.run_path(command[0], run_name='__main__')
    finally:
        atexit._run_exitfuncs()  # which a fork leaves out
