"""A full disk: one error that names the folder and the newest complete checkpoint."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasvit_mm.errors import UsageError, shown_path
from nasvit_mm.runtime.resume import latest_checkpoint

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk_errors(work_dir: str) -> Iterator[None]:
    """Turn a write that fails for lack of space into an error that says where, and how to resume.

    Raises:
        UsageError: the disk is full; the message names the folder, its free space and the newest
            complete checkpoint.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = shutil.disk_usage(work_dir).free / 2**20
        newest = latest_checkpoint(work_dir)
        whole = (
            f'{Path(newest).name} and older ones are complete: free some space and resume with '
            '--resume'
            if newest
            else 'there is no checkpoint yet'
        )
        raise UsageError(
            f'no space left to write {error.filename or shown_path(work_dir)} '
            f'({error.strerror}; {free:.0f} MiB are free): {whole}'
        ) from error
