"""Fetching a public data set: download, compare, unpack, lay out; or saying how to by hand."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nasvit_mm.data import FETCHED
from nasvit_mm.errors import DataError, UsageError, shown_path, unknown
from nasvit_mm.files import replacing_folder
from nasvit_mm.public_data.download import Unreachable, download
from nasvit_mm.public_data.sources import SETS, PublicSet
from nasvit_mm.public_data.unpack import unpack

MARKER = 'public_data.json'
DOWNLOADS = 'data/downloads'


def fetch(
    name: str, root: str | Path = '.', *, keep: bool = False, say: Callable[[str], Any] = print
) -> Path:
    """Return the folder of a public data set, which is fetched if it is not there.

    Args:
        root: folder in which ``data`` is, which configs are started in.
        keep: keep the downloads.
        say: is told what happens, line by line.

    Raises:
        UsageError: no such set; its place holds something else; it cannot be fetched here, in which
            case the message has the commands that fetch it on another machine.
        DataError: what was fetched is not what it should be.
    """
    if name not in SETS:
        raise UsageError(unknown('NAME', name, SETS))
    about, folder = SETS[name], Path(root).expanduser().absolute() / FETCHED[name]
    if (folder / MARKER).is_file():
        say(f'{folder} is there already')
        return folder
    held = [inner for inner in about.holds if (folder / inner).exists()]
    if held:
        raise UsageError(
            f'{shown_path(folder)} holds {", ".join(held)}, which this command has not written: '
            'use it as it is, remove it, or give another --root'
        )
    say(f'{about.what}\nterms: {about.terms}')
    if not about.archives:
        raise UsageError(f'{name} is not to be had without a login: {_by_hand(about, folder)}')
    downloads = Path(root).expanduser().absolute() / DOWNLOADS
    files = []
    for archive in about.archives:
        say(f'{archive.url}, {archive.size / 1e6:.0f} MB')
        try:
            files.append(download(archive.url, downloads / archive.name, archive.checksum, say))
        except Unreachable as error:
            raise UsageError(
                f'{error}. Where there is a network:\n{by_hand(name, root)}'
            ) from error
    _lay_out(name, about, files, folder)
    if not keep:
        for path in files:
            path.unlink()
    say(f'{folder} is laid out')
    return folder


def by_hand(name: str, root: str | Path = '.') -> str:
    """Return the commands that do by hand what this machine may not."""
    downloads = Path(root, DOWNLOADS)
    lines = [
        f'    wget -c {shlex.quote(archive.url)} -O {shlex.quote(str(downloads / archive.name))}'
        for archive in SETS[name].archives
    ]
    lines.insert(0, f'    mkdir -p {shlex.quote(str(downloads))}')
    return '\n'.join([*lines, f'    nasvit-mm data {name}    # takes the files from {downloads}'])


def _by_hand(about: PublicSet, folder: Path) -> str:
    return about.by_hand.format(folder=folder)


def _lay_out(name: str, about: PublicSet, files: list[Path], folder: Path) -> None:
    with (
        replacing_folder(folder, (*about.holds, MARKER)) as draft,
        tempfile.TemporaryDirectory(dir=draft.parent, prefix='.unpacked') as unpacked,
    ):
        for path in files:
            unpack(path, Path(unpacked), about.wanted)
        found = about.write(Path(unpacked), draft)
        if about.digest is not None and found != about.digest:
            raise DataError(
                f'{name} holds other files than it should (sha256 of names and contents {found}, '
                f'expected {about.digest}): remove {", ".join(map(str, files))} and try again, or '
                'its source has changed'
            )
        content = dict(name=name, terms=about.terms, archives=[a.url for a in about.archives])
        (draft / MARKER).write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
