"""A Python that has imported torch and the OpenMMLab packages, and runs scripts in forks of itself.

Starting a command line takes seconds of imports, the same ones every time; a fork has them.  Orders
are lines of JSON on stdin, each answered by a line with the exit code; ``ForkServer`` is the other
end.  What is imported here is of others, but for the compat room, which has to come first; so a
tool still brings its own parts.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch

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


class ForkServer:
    """This file as a process, which begins with the first order."""

    process: subprocess.Popen[str] | None = None

    def run(
        self, command: list[str], folder: Path, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """A script and its arguments, to its end."""
        if self.process is None:
            self._begin(folder, env)
        with tempfile.TemporaryDirectory() as out:
            stdout, stderr = Path(out, 'stdout'), Path(out, 'stderr')
            order = dict(
                script=command[0],
                arguments=command[1:],
                folder=str(folder),
                env=env,
                stdout=str(stdout),
                stderr=str(stderr),
            )
            try:
                self.process.stdin.write(json.dumps(order) + '\n')
                self.process.stdin.flush()
                code = int(self._answer())
            except BaseException:  # a test that ran out of time would leave a script behind
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                self.process = None
                raise
            return subprocess.CompletedProcess(
                command, code, stdout.read_text(), stderr.read_text()
            )

    def _begin(self, folder: Path, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', __file__],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._answer() == 'ready'

    def _answer(self) -> str:
        return self.process.stdout.readline().strip()


def main() -> None:
    with redirect_stdout(sys.stderr):  # mmdet has something to say
        for name in PACKAGES:
            importlib.import_module(name)
    gc.freeze()  # else a collection in a fork copies all pages
    print('ready', flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            end(exit_code(**order))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def exit_code(
    script: str, arguments: list[str], folder: str, env: dict[str, str], stdout: str, stderr: str
) -> int:
    """Of ``python script arguments``, started in the folder."""
    for number, path in enumerate((os.devnull, stdout, stderr)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).parent)
    random.seed()  # else all forks would draw alike, whether or not a tool seeds its draws
    np.random.seed()
    torch.seed()
    try:
        runpy.run_path(script, run_name='__main__')
    except SystemExit as exit_:
        if isinstance(exit_.code, str):
            print(exit_.code, file=sys.stderr)
            return 1
        return exit_.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def end(code: int) -> NoReturn:
    """What Python does at its end, but for taking apart the modules, which takes a second."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == '__main__':
    main()
