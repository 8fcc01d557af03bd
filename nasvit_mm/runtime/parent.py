"""Processes that end with the one that started them, whatever ended that one."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

PARENT = 'NASVIT_MM_PARENT'  # the variable by which a command is told to end with its starter
EVERY = 1.0  # seconds between two looks at the parent
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def end_with_parent(parent: int | None = None, every: float = EVERY) -> None:
    """End this process within seconds of its parent's end, also where that one was killed.

    On Linux the kernel does so at once, even while C code holds the interpreter; that is when the
    thread ends which started this process. Elsewhere, and for what the kernel does not know, a
    thread looks at the parent's process id.

    To be called early in a process that nothing else would end: the worker of a pool, a command
    that another one runs.

    Args:
        parent: process id of the one that started this process, which may be gone by now; None:
            of the present parent.
        every: seconds between two looks.
    """
    parent = os.getppid() if parent is None else parent
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _end_without(parent)  # it ended before the kernel was told
    threading.Thread(target=_watch, args=(parent, every), name='parent', daemon=True).start()


def end_with_starter() -> None:
    """Call :func:`end_with_parent` if a command of this project started this one; its own children
    are not told.
    """
    if parent := os.environ.pop(PARENT, None):
        end_with_parent(int(parent))


def with_starter() -> dict[str, str]:
    """Return the variable that makes a command, started by this process, end with it."""
    return {PARENT: str(os.getpid())}


def _watch(parent: int, every: float) -> None:
    while True:
        _end_without(parent)
        time.sleep(every)


def _end_without(parent: int) -> None:
    if os.getppid() != parent:
        os._exit(1)  # nobody is left to hear of it
