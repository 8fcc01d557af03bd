"""One training a work dir."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mmengine.dist import broadcast_object_list

from nasvit_mm.errors import UsageError, shown_path
from nasvit_mm.runtime.processes import is_first

LOCK = 'train.lock'


@contextmanager
def locked(work_dir: str | Path) -> Iterator[None]:
    """Keep a work dir to this training: all its processes call it, the first one has the lock.

    The system takes the lock back when the process ends, however it ends, so that no dead one keeps
    it.  It is no ``flock``, which workers of a data loader would inherit and keep a little longer.

    Raises:
        UsageError: another training has it; the message names its process and its machine.
    """
    Path(work_dir).mkdir(parents=True, exist_ok=True)
    file = Path(work_dir, LOCK).open('a+') if is_first() else None
    try:
        said = [_take(file) if file else '']
        broadcast_object_list(said)
        if said[0]:
            raise UsageError(
                f'{said[0]} is training in {shown_path(work_dir)}: wait for its end, stop it, or '
                'give another --work-dir'
            )
        yield
        if file:
            file.truncate(0)
    finally:
        if file:
            file.close()


def _take(file: IO[str]) -> str:
    """Lock a file and write into it whose it is; return who has it where that is another."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.seek(0)
        return file.read().strip() or 'another process'
    except OSError:  # a file system without locks
        return ''
    file.seek(0)
    file.truncate()
    file.write(f'process {os.getpid()} on {platform.node()}')
    file.flush()
    return ''
