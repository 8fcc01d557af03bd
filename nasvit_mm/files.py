"""Writing files and folders whole or not at all, and digests of what files hold.  Standard library
only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nasvit_mm.errors import UsageError, shown_path

DIGITS = 16  # hexadecimal digits of a SHA-256 that are kept
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WriteError(UsageError, OSError):
    """A file or folder that cannot be written; the message names it and what the system says.

    Attributes:
        path: of the file or folder.
        system: what the system raised; None where it was this project that refused.
    """

    def __init__(
        self, message: str, path: Path | None = None, system: OSError | None = None
    ) -> None:
        super().__init__(message)
        self.path, self.system = path, system


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a draft path that replaces ``path`` once the block ends without an error.

    After an interruption or a full disk the path holds the old file or the new one, always
    complete.  Of several processes that write it at once each has a draft of its own.

    Raises:
        WriteError: the file cannot be written; names it, and what the system says.
    """
    path = Path(path)
    with _draft(path) as draft:
        yield draft
        os.replace(draft, path)


@contextmanager
def replacing_folder(
    path: str | Path, names: Collection[str], check: Callable[[], None] | None = None
) -> Iterator[Path]:
    """Yield a draft folder that replaces ``path`` once the block ends without an error.

    What else is in the folder, such as the logs of a training, stays in it.  A process that is
    killed while it replaces leaves both folders whole; the next call ends its work.

    Args:
        names: of the files that the draft stands for, the one that uses the others last: old ones
            that it has not are gone.
        check: is called while no other process replaces the folder; raises where it must not be
            replaced.

    Raises:
        WriteError: the folder cannot be written; names it, and what the system says.
    """
    path = Path(os.path.abspath(path))  # `.` has no name
    fresh = path.is_dir() and not _held(path, names)  # as a mount point may be
    with _draft(path / 'draft' if fresh else path, folder=True) as draft:
        try:
            yield draft
        except WriteError as error:  # of a file in the draft
            message = str(error).replace(str(draft), str(path))
            raise WriteError(message, path, error.system) from error
        with _locked(path if fresh else path.parent):
            _settle(path, names)
            if check:
                check()
            if fresh:
                _fill(path, draft, names)
            else:
                _replace(path, draft, names)


def _held(path: Path, names: Collection[str]) -> list[str]:
    return [name for name in names if (path / name).exists()]


def _fill(path: Path, draft: Path, names: Collection[str]) -> None:
    """Move files into a folder that had none of them."""
    if _held(path, names):
        raise WriteError(f'{path} was written by another process meanwhile: give another folder')
    for name in _held(draft, names):
        (draft / name).rename(path / name)


def _replace(path: Path, draft: Path, names: Collection[str]) -> None:
    """Put a draft in the place of a folder, which is put aside for that long."""
    if os.path.ismount(path):
        raise WriteError(f'{path} is a mount point: give a folder below it')
    if path.is_dir():
        path.rename(_aside(path))
    try:
        draft.rename(path)
    finally:
        _settle(path, names)


def _aside(path: Path) -> Path:
    return path.with_name(f'.{path.name}.replaced')


def _settle(path: Path, names: Collection[str]) -> None:
    """Give a folder that was put aside its place back, or what it holds to the one that has it."""
    old = _aside(path)
    if not old.is_dir():
        return
    if not path.exists():
        old.rename(path)
        return
    for other in old.iterdir():
        target = path / other.name
        while target.exists():  # a training since
            target = target.with_name(f'{target.name}.old')
        if other.name not in names:
            other.rename(target)
    shutil.rmtree(old)


@contextmanager
def _draft(path: Path, folder: bool = False) -> Iterator[Path]:
    """Yield a new path beside another one, locked by this process, and remove what is left there.

    Drafts of processes that were killed go first: nobody locks them any more.
    """
    draft = path.with_name(f'{path.name}.{secrets.token_hex(4)}.part')
    fresh = path.with_name(f'.{draft.name}.new')  # no other process looks for it until it is locked
    with write_errors(path), contextlib.ExitStack() as stack:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob('*.part'):
            if left.name.startswith(f'{path.name}.') and len(left.name) == len(draft.name):
                with contextlib.suppress(OSError), _locked(left, wait=False):
                    _remove(left)
        fresh.mkdir() if folder else fresh.touch()
        stack.callback(_remove, fresh)
        with contextlib.suppress(OSError):  # a file system without locks
            stack.enter_context(_locked(fresh, wait=False))
        fresh.rename(draft)
        stack.callback(_remove, draft)
        yield draft


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path, wait: bool = True) -> Iterator[None]:
    """Hold a file or folder for this process among those of this machine.

    Raises:
        OSError: another process holds it, without ``wait``; or the file system has no locks.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            if not wait:
                raise
        yield
    finally:
        os.close(file)


@contextmanager
def write_errors(path: str | Path) -> Iterator[None]:
    """Turn a write to a path that fails into a sentence that names it.

    Raises:
        WriteError: what the system says, and the free space where it is full; errors about other
            files pass.
    """
    try:
        yield
    except UsageError:
        raise
    except OSError as error:
        if not _is_about(error, Path(os.path.abspath(path))):
            raise
        said, remedy = error.strerror or str(error), 'give another path'
        if error.errno in FULL:
            with contextlib.suppress(OSError):
                free = shutil.disk_usage(Path(path).absolute().parent).free
                said += f'; {free / 2**20:.0f} MiB are free'
            remedy = 'free some space, or give another path'
        raise WriteError(
            f'{shown_path(path)} cannot be written ({said}): {remedy}; what was there is unchanged',
            Path(path),
            error,
        ) from error


def _is_about(error: OSError, path: Path) -> bool:
    """Return whether an error is of a path, a draft of it, or a folder that it is in."""
    if error.errno is None or not isinstance(error.filename, str):
        return error.errno is not None and error.filename is None
    named = Path(os.path.abspath(error.filename))
    return named in (path, *path.parents) or path.parent in named.parents


def write_text(path: str | Path, text: str) -> None:
    """Write a text file completely or not at all.

    Raises:
        WriteError: as of :func:`replacing`.
    """
    with replacing(path) as draft:
        draft.write_text(text, encoding='utf-8')


def sha256(path: str | Path) -> str:
    """Return the first 16 digits of the SHA-256 of a file."""
    found = hashlib.sha256()
    with Path(path).open('rb') as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()[:DIGITS]


def digest(value: Any) -> str:
    """Return the first 16 digits of the SHA-256 of a value of JSON types."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:DIGITS]
