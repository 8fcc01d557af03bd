"""Folders that cannot be written, and full disks: one error that says which, and how to resume."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasvit_mm.errors import UsageError, shown_path
from nasvit_mm.files import FULL, WriteError
from nasvit_mm.runtime.resume import latest_checkpoint

UNUSABLE = (IsADirectoryError, NotADirectoryError, PermissionError)


@contextmanager
def disk_errors(work_dir: str) -> Iterator[None]:
    """Turn a write that fails for lack of space into an error that says where, and how to resume.

    Raises:
        UsageError: the disk is full, where the message names the folder, its free space and the
            newest complete checkpoint; or the folder, or a file in it, cannot be used.
    """
    try:
        yield
    except OSError as error:
        named = isinstance(error, WriteError)  # the file already, not how to resume
        system, path = (error.system, error.path) if named else (error, error.filename)
        if system is None or system.errno not in FULL:
            if not named:
                check_folder(work_dir, 'work dir')
                _check_is_elsewhere(error, work_dir)
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
            f'no space left to write {path or shown_path(work_dir)} '
            f'({system.strerror}; {free:.0f} MiB are free): {whole}'
        ) from error


def _check_is_elsewhere(error: OSError, work_dir: str) -> None:
    """Check that an error is of no file of a work dir: a folder may have the name of one, or it may
    be another user's.

    Raises:
        UsageError: names the file, and what the system says.
    """
    named = error.filename if isinstance(error.filename, (str, Path)) else ''
    if (
        isinstance(error, UNUSABLE)
        and named
        and Path(work_dir).absolute() in Path(named).absolute().parents
    ):
        raise UsageError(
            f'{shown_path(named)} cannot be used ({error.strerror}): move it away, or give another '
            '--work-dir'
        ) from error


def check_folder(path: str | Path, name: str) -> None:
    """Check that a folder is there or can be made, and that files can be written to it.

    Args:
        name: what it is called in the message: an option, or what it stands for.

    Raises:
        UsageError: names the folder and what the system says.
    """
    folder = Path(path)
    for part in (folder, *folder.parents):
        if part.exists() and not part.is_dir():
            below = '' if part == folder else f', {part}'
            raise UsageError(f'{name} {shown_path(path)}{below} is a file, expected a folder')
    try:
        made = [part for part in (folder, *folder.parents) if not part.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for part in made:  # nothing is left where something else stops the command
            part.rmdir()
    except OSError as error:
        raise UsageError(
            f'{name} {shown_path(path)} cannot be written ({error.strerror}): give another folder'
        ) from error
