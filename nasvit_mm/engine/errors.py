"""Mistakes of the user, which the commands show as one line."""

from __future__ import annotations

from pathlib import Path


class UsageError(ValueError):
    """A mistake in the command, the config's paths or the data; the message holds the remedy."""


class DataError(UsageError):
    """A mistake in the data set, which one process may meet alone; names the file."""


def shown_path(path: str | Path) -> str:
    """The path, and where it leads from here."""
    full = Path(path).expanduser().absolute()
    return str(path) if str(full) == str(path) else f'{path} (= {full})'
