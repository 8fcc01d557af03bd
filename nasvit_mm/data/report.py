"""What a pass over data finds: one error of all kinds of mistake, warnings, how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mmengine.logging import print_log

from nasvit_mm.errors import DataError

SHOWN = 5  # examples of one kind of mistake


def some(items: Sequence[Any], shown: int = SHOWN) -> str:
    """Return the first items, and the number of the rest."""
    rest = len(items) - shown
    return ', '.join(map(str, items[:shown])) + (f' and {rest} more' if rest > 0 else '')


def some_clauses(items: Sequence[str]) -> str:
    """Return the first items with semicolons between them, and the number of the rest."""
    rest = [f'and {len(items) - SHOWN} more'] if len(items) > SHOWN else []
    return '; '.join([*items[:SHOWN], *rest])


class Problems:
    """Mistakes by kind, for one error that names the first five of each, and warnings.

    Attributes:
        warnings: what is said and does not stop the run, one line each.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[str, list[str]]] = {}
        self.warnings: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._kinds)

    @property
    def count(self) -> int:
        """Number of mistakes so far."""
        return sum(len(found) for _, found in self._kinds.values())

    def add(self, kind: str, example: str, remedy: str) -> None:
        """Note a mistake.

        Args:
            kind: what is wrong, in the plural: ``'masks with more than one channel'``.
            example: file, id and value.
            remedy: what mends this kind.
        """
        self._kinds.setdefault(kind, (remedy, []))[1].append(example)

    def warn(self, line: str) -> None:
        self.warnings.append(line)

    def take(self, other: Problems) -> None:
        """Add what another pass has found."""
        for kind, (remedy, found) in other._kinds.items():
            self._kinds.setdefault(kind, (remedy, []))[1].extend(found)
        self.warnings += other.warnings

    def log_warnings(self) -> None:
        for line in self.warnings:
            print_log(line, 'current', level=30)
        self.warnings = []

    def raise_if_any(self) -> None:
        """Raise what was found.

        Raises:
            DataError: names the first five mistakes of each kind, the number of the rest, and the
                remedies.
        """
        if self._kinds:
            raise DataError(
                '\n'.join(
                    f'{kind}{f" ({len(found)})" if len(found) > 1 else ""}: '
                    f'{some_clauses(found)}. {remedy}'
                    for kind, (remedy, found) in self._kinds.items()
                )
            )


def with_progress(
    items: Sequence[Any],
    what: str,
    after: float = 3.0,
    every: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Any]:
    """Yield the items; say on stderr how far it is, once it takes longer than some seconds.

    Args:
        what: what is being done, in a few words.
        after: seconds until the first line.
        every: seconds between lines.
        clock: gives seconds.
    """
    due = clock() + after
    for i, item in enumerate(items):
        if clock() >= due:
            print(f'{what}: {i} of {len(items)}', file=sys.stderr, flush=True)
            due = clock() + every
        yield item
