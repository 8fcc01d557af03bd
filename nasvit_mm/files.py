"""Atomic writes, and digests of what files hold.  Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DIGITS = 16  # hexadecimal digits of a SHA-256 that are kept


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a draft path that replaces ``path`` once the block ends without an error.

    After an interruption the path holds the old file or the new one, always complete.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + '.part')
    yield draft
    os.replace(draft, path)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file completely or not at all."""
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
