"""``archive.jsonl``: every evaluated candidate, one line each, in the order of asking.

The file is a function of the search and its results: no times, no machine.  A search that was
stopped asks the same questions again and finds the answers here.
"""
from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasvit_mm.engine import UsageError, shown_path

NAME, AHEAD = 'archive.jsonl', 'ahead.jsonl'


class Archive:
    """The lines of a search, read back and written on.

    Args:
        folder: where ``archive.jsonl`` lies; made where it is not there.
        identity: what the search is (JSON types): the first line.
        resume: go on with an archive that is there.
        write: False in all processes but one: they read only.

    Raises:
        UsageError: an archive is there and ``resume`` is False, it is of another search (what
            differs is named), or a line of it is damaged.

    Attributes:
        lines: records so far; one that was cut off by a kill is dropped from the file.
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any], resume: bool = False,
                 write: bool = True) -> None:
        self.path, self.ahead_path = Path(folder, NAME), Path(folder, AHEAD)
        self.identity, self.write = json.loads(json.dumps(identity)), write
        self.lines: list[dict[str, Any]] = []
        self._ahead: dict[int, dict[str, Any]] = {}
        if self.path.exists() and self.path.stat().st_size and not resume:
            raise UsageError(f'{shown_path(self.path)} is there already: give --resume to go on '
                             'with it, or another --work-dir')
        if write:
            Path(folder).mkdir(parents=True, exist_ok=True)
            if not self.path.exists() or not self.path.stat().st_size:
                self.ahead_path.unlink(missing_ok=True)  # of nobody knows what
        self._read()
        self._file = self._ahead_file = None

    def _read(self) -> None:
        data = self.path.read_bytes() if self.path.exists() else b''
        whole = data[:data.rfind(b'\n') + 1]
        if self.write and len(whole) < len(data):
            os.truncate(self.path, len(whole))
        for number, line in enumerate(whole.splitlines()):
            try:
                record = json.loads(line)
            except ValueError as error:
                raise UsageError(f'line {number + 1} of {self.path} is damaged ({error}): restore '
                                 'the file, or give another --work-dir') from error
            if number == 0:
                self._check_identity(record)
            else:
                self.lines.append(record)
        self._read_ahead()

    def _read_ahead(self) -> None:
        """Results that came before their turn; a line that was cut off is of no use."""
        if self.ahead_path.exists():
            for line in self.ahead_path.read_bytes().splitlines():
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                self._ahead[record['index']] = record

    def _check_identity(self, theirs: Mapping[str, Any]) -> None:
        differing = [key for key in sorted({*self.identity, *theirs})
                     if self.identity.get(key) != theirs.get(key)]
        if differing:
            key = differing[0]
            raise UsageError(f'{shown_path(self.path)} is of another search: {", ".join(differing)}'
                             f' differ (there {key} = {_short(theirs.get(key))}, now '
                             f'{_short(self.identity.get(key))}); give another --work-dir')

    # ------------------------------------------------------------------ lines
    def stored(self, index: int, arch: Mapping[str, Any]) -> dict[str, float] | None:
        """The figures of a candidate that was evaluated, None before.

        Raises:
            UsageError: the line is of another architecture.
        """
        record = self.lines[index] if index < len(self.lines) else self._ahead.get(index)
        if record is None:
            return None
        if record['arch'] != json.loads(json.dumps(arch)):
            raise UsageError(f'candidate {index} of {shown_path(self.path)} is not the one that '
                             'this search asks for: another version wrote it; give another '
                             '--work-dir')
        return record['metrics']

    def append(self, record: Mapping[str, Any]) -> None:
        """The next line; one that is there already is left as it is."""
        index = record['index']
        if index < len(self.lines):
            return
        if index != len(self.lines):
            raise ValueError(f'line {index} comes after line {len(self.lines) - 1}')
        self.lines.append(json.loads(json.dumps(record)))
        if self.write:
            self._open().write(_line(record))

    def _open(self) -> Any:
        if self._file is None:
            self._file = self.path.open('ab')
            if not self.path.stat().st_size:
                self._file.write(_line(self.identity))
        return self._file

    def keep(self, index: int, arch: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Keep a result that came before its turn safe."""
        record = self._ahead[index] = dict(index=index, arch=arch, metrics=metrics)
        if self.write:
            if self._ahead_file is None:
                self._open().flush()  # whose results these are
                self._ahead_file = self.ahead_path.open('ab')
                self._ahead_file.write(b'\n')  # after a line that was cut off
            self._ahead_file.write(_line(record))
            self._ahead_file.flush()

    def flush(self) -> None:
        """To the disk."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Close the files; what came ahead has had its turn if the search is over."""
        for file in (self._file, self._ahead_file):
            if file is not None:
                file.close()
        self._file = self._ahead_file = None
        if self.write and all(index < len(self.lines) for index in self._ahead):
            self.ahead_path.unlink(missing_ok=True)


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, separators=(',', ':'), allow_nan=False).encode() + b'\n'


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f'{text[:117]}...'
