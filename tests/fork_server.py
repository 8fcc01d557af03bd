"""A Python that has imported torch and the OpenMMLab packages, and runs scripts in forks of itself.

Starting a command line takes seconds of imports, the same ones every time; a fork has them.  Orders
are lines of JSON on stdin, each answered by a line with the exit code.  What is imported here is of
others, but for the compat room, which has to come first; so a tool still brings its own parts.
"""
from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import random
import runpy
import sys
import threading
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import NoReturn

PACKAGES = ['nasvit_mm.compat', 'torch', 'torchvision', 'timm', 'mmengine.runner', 'mmcv.ops',
            'mmseg.apis', 'mmdet.apis', 'pymoo.core.problem', 'scipy.stats', 'matplotlib.pyplot',
            'rich.progress']


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


def exit_code(script: str, arguments: list[str], folder: str, env: dict[str, str], stdout: str,
              stderr: str) -> int:
    """Of ``python script arguments``, started in the folder."""
    import numpy as np
    import torch
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, stdout, os.O_WRONLY),
                                (2, stderr, os.O_WRONLY)):
        os.dup2(os.open(path, flags), number)
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
