"""A search that has run, or is running, as Python sees it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nasvit_mm.errors import UsageError, shown_path, unknown
from nasvit_mm.search.record.archive import NAME, read_archive
from nasvit_mm.search.record.front import front, record_values
from nasvit_mm.spaces import Arch, Space, get_space


@dataclass(frozen=True, repr=False)
class Search:
    """What a search found.

    Attributes:
        folder: its work dir: ``archive.jsonl``, ``front.json``, ``front.png``, ``report.html``.
        identity: what was searched for: space, task, objectives, constraints, algorithm, ...
        records: one a candidate, in the order of asking: ``index``, ``generation``, ``arch``,
            ``costs``, ``metrics``; of one that could not be evaluated also ``failed``, the reason.
    """

    folder: Path
    identity: Mapping[str, Any]
    records: list[dict[str, Any]]

    @classmethod
    def load(cls, folder: str | Path) -> Search:
        """Read a search back, which may still be running.

        Raises:
            UsageError: no search has written there, or its archive is damaged.
        """
        path, first = Path(folder, NAME), b''
        if path.is_file():
            with path.open('rb') as file:
                first = file.readline()
        if not first.endswith(b'\n'):
            raise UsageError(f'{shown_path(path)} is not there: no search has written to {folder}')
        records = read_archive(path)  # before the first line is parsed: it names what is damaged
        return cls(Path(folder), json.loads(first), records)

    def front(self) -> list[dict[str, Any]]:
        """Return the records that no other is better than in all objectives, by the first one."""
        return front(self, self.records)

    def best(self, metric: str | None = None) -> dict[str, Any]:
        """Return the record of the front that is best by an objective, the first one by default.

        Raises:
            UsageError: no such objective, or all candidates failed.
        """
        metric = next(iter(self._signs)) if metric is None else metric
        if metric not in self._signs:
            raise UsageError(unknown('objective', metric, self._signs))
        found = self.front()
        if not found:
            raise UsageError(f'{self.folder} has no candidate that was evaluated')
        return min(found, key=lambda r: self._signs[metric] * record_values(r)[metric])

    @cached_property
    def space(self) -> Space:
        """Return the searched space."""
        return get_space(self.identity['space'])

    def arch(self, record: Mapping[str, Any]) -> Arch:
        """Return the architecture of a record."""
        return self.space.arch(record['arch'])

    def scores(self, results: Iterable[Mapping[str, float]]) -> np.ndarray:
        """Return the objectives of costs and metrics, (n, objectives), all to be minimised."""
        signs = self._signs
        return np.array([[signs[m] * r[m] for m in signs] for r in results], float)

    @property
    def _signs(self) -> dict[str, int]:
        """Objective -> 1 where it is minimised, else -1."""
        return {o['metric']: 1 if o['goal'] == 'min' else -1 for o in self.identity['objectives']}

    def __repr__(self) -> str:
        failed = sum('failed' in r for r in self.records)
        return (
            f'<Search {str(self.folder)!r}: {len(self.records)} candidates of {self.space.name}'
            f'{f" ({failed} failed)" if failed else ""}, {len(self.front())} on the front of '
            f'{", ".join(self._signs)}>'
        )
