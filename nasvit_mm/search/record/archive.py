"""``archive.jsonl``: every evaluated candidate, one line each, in the order of asking.

The file is a function of the search and its results: no times, no machine.  A search that was
stopped asks the same questions again and finds the answers here.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from nasvit_mm.errors import UsageError, shown_path
from nasvit_mm.search.record.identity import by_content, first_difference

NAME, AHEAD = 'archive.jsonl', 'ahead.jsonl'
# Beside it the config of the search, and how long its evaluations took, when and where.
AS_RUN, TIMINGS = 'search.json', 'timings.jsonl'
RESULT = ('metrics', 'looks', 'stopped', 'failed')  # of a record, what an evaluation gave
FORM = {'index': int, 'generation': int, 'arch': dict, 'costs': dict, 'metrics': dict}
AHEAD_FORM = {key: FORM[key] for key in ('index', 'arch', 'metrics')}


class Archive:
    """The lines of a search: :meth:`open` to write on, :meth:`read`, or :meth:`shared`.

    Attributes:
        lines: records so far; one that was cut off by a kill is dropped from the file.
        differing: keys of the identity that are others in the file, of those that may be.
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any]) -> None:
        self.path, self.ahead_path = Path(folder, NAME), Path(folder, AHEAD)
        self.identity = json.loads(json.dumps(identity))
        self.lines: list[dict[str, Any]] = []
        self.differing: list[str] = []
        self._ahead: dict[int, dict[str, Any]] = {}
        self._file = self._ahead_file = None

    @classmethod
    def open(cls, folder: str | Path, identity: Mapping[str, Any], resume: bool = False) -> Archive:
        """Open the archive of a folder to write on.

        Args:
            folder: made where it is not there.
            identity: what the search is (JSON types): the first line.
            resume: add to an archive that is there.

        Raises:
            UsageError: an archive is there and ``resume`` is False, another process writes it, it
                is of another search (what differs is named), or a line of it is damaged.
        """
        self = cls(folder, identity)
        if self.path.exists() and self.path.stat().st_size and not resume:
            raise UsageError(
                f'{shown_path(self.path)} is there already: give --resume to go on '
                'with it, or another --work-dir'
            )
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._file = _locked(self.path)
        if not self.path.stat().st_size:
            self.ahead_path.unlink(missing_ok=True)  # stale results of an unknown search
        try:
            self._read()
        except UsageError:
            self.close()
            raise
        return self

    @classmethod
    def read(
        cls, folder: str | Path, identity: Mapping[str, Any], loose: Collection[str] = ()
    ) -> Archive:
        """Read the archive of a folder, which another process may be writing.

        Args:
            loose: keys of the identity that may be others in the file.

        Raises:
            UsageError: it is of another search, or a line of it is damaged.
        """
        self = cls(folder, identity)
        self._read(loose)
        return self

    @classmethod
    def shared(
        cls, folder: str | Path, identity: Mapping[str, Any], records: Sequence[Mapping[str, Any]]
    ) -> Archive:
        """Take over the :attr:`records` of the process that writes: no file is touched."""
        self = cls(folder, identity)
        for record in records:
            self._take(dict(record))
        return self

    def _read(self, loose: Collection[str] = ()) -> None:
        data = self.path.read_bytes() if self.path.exists() else b''
        whole = _whole_lines(data)
        if self._file is not None and len(whole) < len(data):
            os.truncate(self.path, len(whole))
        for number, record in enumerate(_parsed(self.path, whole)):
            if number == 0:
                self._check_identity(record, loose)
            else:
                self.lines.append(record)
        if self.ahead_path.exists():  # results that came before their turn
            for line in self.ahead_path.read_bytes().splitlines():
                try:
                    self._take(_checked(json.loads(line), AHEAD_FORM))
                except (ValueError, RecursionError):  # cut off
                    continue

    def _take(self, record: dict[str, Any]) -> None:
        if record['index'] == len(self.lines) and 'costs' in record:
            self.lines.append(record)
        else:
            self._ahead[record['index']] = record

    def _check_identity(self, theirs: Mapping[str, Any], loose: Collection[str]) -> None:
        ours, theirs = by_content(self.identity, theirs)
        differing = [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]
        self.differing = [key for key in differing if key in loose]
        differing = [key for key in differing if key not in loose]
        if differing:
            key, there, now = first_difference(
                differing[0], theirs.get(differing[0]), ours.get(differing[0])
            )
            remedy = 'give another --work-dir'
            as_run = self.path.with_name(AS_RUN)
            if self._file is None and as_run.is_file():
                remedy += f', or the config of that search as it ran, {shown_path(as_run)}'
            raise UsageError(
                f'{shown_path(self.path)} is of another search: {", ".join(differing)}'
                f' differ (there {key} = {_short(there)}, now {_short(now)}); {remedy}'
            )

    # ------------------------------------------------------------------ lines
    @property
    def records(self) -> list[dict[str, Any]]:
        """Return all that is known: the lines, then results that came before their turn."""
        return [*self.lines, *self._ahead.values()]

    def stored(self, index: int, arch: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the evaluation of a candidate gave, ``metrics`` and maybe ``failed``, or
        ``looks`` and ``stopped`` (see :mod:`nasvit_mm.search.halving`); None before.

        Raises:
            UsageError: the line is of another architecture.
        """
        record = self.lines[index] if index < len(self.lines) else self._ahead.get(index)
        if record is None:
            return None
        self._check_same(record, dict(index=index, arch=arch), 'arch')
        return {key: record[key] for key in RESULT if key in record}

    def _check_same(self, record: Mapping[str, Any], asked: Mapping[str, Any], key: str) -> None:
        if record[key] != json.loads(json.dumps(asked[key])):
            raise UsageError(
                f'candidate {asked["index"]} of {shown_path(self.path)} is not the '
                f'one that this search asks for (its {key} is {_short(record[key])}, '
                f'now {_short(asked[key])}): another version wrote it; give another '
                '--work-dir'
            )

    def append(self, record: Mapping[str, Any]) -> None:
        """Write the next line; one that is there already is left as it is.

        Raises:
            UsageError: the line that is there is of another architecture, or has other costs.
        """
        index = record['index']
        if index < len(self.lines):
            for key in ('arch', 'costs'):
                self._check_same(self.lines[index], record, key)
            return
        if index != len(self.lines):
            raise ValueError(f'line {index} comes after line {len(self.lines) - 1}')
        self.lines.append(json.loads(json.dumps(record)))
        if self._file is not None:
            self._begun().write(_line(record))

    def _begun(self) -> BinaryIO:
        """Return the file, with its first line."""
        if not os.fstat(self._file.fileno()).st_size:
            self._file.write(_line(self.identity))
            self._file.flush()
        return self._file

    def keep(self, index: int, arch: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Keep a result that came before its turn safe; ``result`` as of :meth:`stored`."""
        record = self._ahead[index] = dict(index=index, arch=arch, **result)
        if self._file is not None:
            if self._ahead_file is None:
                self._begun()  # whose results these are
                self._ahead_file = self.ahead_path.open('ab')
                self._ahead_file.write(b'\n')  # after a line that was cut off
            self._ahead_file.write(_line(record))
            self._ahead_file.flush()

    def flush(self) -> None:
        """Write to the disk what is buffered."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Close the files; what came ahead has had its turn if the search is over."""
        written = self._file is not None
        for file in (self._file, self._ahead_file):
            if file is not None:
                file.close()
        self._file = self._ahead_file = None
        if written and all(index < len(self.lines) for index in self._ahead):
            self.ahead_path.unlink(missing_ok=True)


def read_archive(path: str | Path) -> list[dict[str, Any]]:
    """Return the records of an archive, of whatever search, which may still be running.

    Raises:
        UsageError: a line is damaged.
    """
    return list(_parsed(path, _whole_lines(Path(path).read_bytes())))[1:]


def _whole_lines(data: bytes) -> bytes:
    """Return the data without a last line that was cut off."""
    return data[: data.rfind(b'\n') + 1]


def _parsed(path: str | Path, data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the identity, then records in their order."""
    for number, line in enumerate(data.splitlines()):
        try:
            yield _checked(json.loads(line), FORM if number else {}, number - 1)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f'line {number + 1} of {path} is damaged ({error}): restore the file, '
                'or give another --work-dir'
            ) from error


def _checked(record: Any, form: Mapping[str, type], index: int | None = None) -> dict[str, Any]:
    """Return a record that has what every one has.

    Raises:
        ValueError: says what is wrong.
    """
    if not isinstance(record, dict):
        raise ValueError(f'{_short(record)} is no record')
    wrong = [key for key, kind in form.items() if not isinstance(record.get(key), kind)]
    if wrong:
        raise ValueError(f'{wrong[0]} = {_short(record.get(wrong[0]))}')
    if form and index is not None and record['index'] != index:
        raise ValueError(f'index = {record["index"]}, expected {index}')
    return record


def _locked(path: Path) -> BinaryIO:
    """Return the file, to write on, for this process alone.

    Raises:
        UsageError: another one has it.
    """
    file = path.open('ab')
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise UsageError(
            f'another search is writing {shown_path(path)}: wait for its end, or give '
            'another --work-dir'
        ) from error
    except OSError:  # a file system without locks
        pass
    return file


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, separators=(',', ':'), allow_nan=False).encode() + b'\n'


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f'{text[:117]}...'
