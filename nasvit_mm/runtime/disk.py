"""Files that stay whole; a full disk: one error with the folder, and what is whole there."""

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
    """Say where a write failed for want of space, and how to go on; Python's error does not.

    Raises:
        UsageError: names the folder, its free space and the newest whole checkpoint.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = shutil.disk_usage(work_dir).free / 2**20
        newest = latest_checkpoint(work_dir)
        whole = (
            f'{Path(newest).name} and what is older is whole: free some space and go on with '
            '--resume'
            if newest
            else 'there is no checkpoint yet'
        )
        raise UsageError(
            f'no space to write {error.filename or shown_path(work_dir)} '
            f'({error.strerror}; {free:.0f} MiB are free): {whole}'
        ) from error
