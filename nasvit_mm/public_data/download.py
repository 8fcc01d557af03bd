"""Downloads that resume, and are whole and right, or not there."""

from __future__ import annotations

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from nasvit_mm.errors import UsageError, shown_path
from nasvit_mm.files import write_errors
from nasvit_mm.version import __version__

TRIES, PAUSE = 3, 2.0  # seconds between them, the second time twice as long
TIMEOUT = 60.0  # seconds without a byte
BLOCK = 1 << 20
EVERY = 10.0  # seconds between lines of progress
BROKEN = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)


class Unreachable(UsageError):
    """A download that this machine cannot do; the message says why."""


class Checksum(NamedTuple):
    """What the bytes of a file must give: ``sha256`` or ``sha1``, and its hexadecimal digits."""

    kind: str
    digits: str


def download(
    url: str, path: Path, checksum: Checksum | None, say: Callable[[str], Any] = print
) -> Path:
    """Download a file; what an earlier try has got is not fetched again.

    What has come so far is in a file of another name, PATH.part, which becomes PATH once it is
    whole and its checksum is right.

    Args:
        checksum: of the whole file; None: its size alone is checked.
        say: is told how far it is.

    Raises:
        Unreachable: the server does not answer, or not with the file.
        UsageError: the checksum is another one; what came is removed.
    """
    if path.is_file():
        check(path, checksum)
        return path
    part = path.with_name(f'{path.name}.part')
    path.parent.mkdir(parents=True, exist_ok=True)
    for tried in range(TRIES):
        try:
            with write_errors(part):
                _fetch(url, part, say)
            break
        except urllib.error.HTTPError as error:
            raise Unreachable(f'{url}: the server says {error.code} {error.reason}') from error
        except BROKEN as error:
            if tried == TRIES - 1:
                raise Unreachable(f'{url}: {getattr(error, "reason", error)}') from error
            time.sleep(PAUSE * (tried + 1))
    check(part, checksum, remove=True)
    part.replace(path)
    return path


def _fetch(url: str, part: Path, say: Callable[[str], Any]) -> None:
    """Fetch what is missing of a file.

    Raises:
        ConnectionError: it ended too early.
    """
    if not re.match('https?://', url):
        raise UsageError(f'{url}: expected http:// or https://')
    have = part.stat().st_size if part.is_file() else 0
    headers = {'User-Agent': f'nasvit_mm/{__version__}', 'Accept-Encoding': 'identity'}
    if have:
        headers['Range'] = f'bytes={have}-'
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is missing, or the file is another one: see check
            return
        raise
    with response:
        start = re.match(rf'bytes {have}-', response.headers.get('Content-Range') or '')
        goes_on = have and response.status == 206 and start
        if not goes_on:
            have = 0
        length = response.headers.get('Content-Length')
        whole = have + int(length) if length else None
        due = time.monotonic() + EVERY
        with part.open('ab' if goes_on else 'wb') as file:
            while block := response.read(BLOCK):
                file.write(block)
                have += len(block)
                if time.monotonic() > due:
                    of = f' of {whole / 1e6:.0f}' if whole else ''
                    say(f'{have / 1e6:.0f}{of} MB')
                    due = time.monotonic() + EVERY
    if whole is not None and have < whole:
        raise ConnectionError(f'the download ended after {have} of {whole} bytes')


def check(path: Path, checksum: Checksum | None, remove: bool = False) -> None:
    """Compare a file with its checksum.

    Args:
        remove: a file that is another one.

    Raises:
        UsageError: names both.
    """
    if checksum is None:
        return
    found = hashlib.new(checksum.kind)
    with path.open('rb') as file:
        while block := file.read(BLOCK):
            found.update(block)
    if found.hexdigest() != checksum.digits:
        if remove:
            path.unlink()
        raise UsageError(
            f'{shown_path(path)} has the {checksum.kind} {found.hexdigest()}, expected '
            f'{checksum.digits}: {"it was removed; " if remove else "remove it and "}try again, or '
            'the file at its source has changed'
        )
