"""What passes over data found, kept beside the run, so that a second run pays nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nasvit_mm.files import write_text

FILE_NAME = 'data_check.json'
VERSION = 2  # counts up when a check is added, so that old results do not hide it
ALL_UP_TO, SAMPLE = 400, 300


def sample(items: Sequence[Any]) -> list[Any]:
    """Return all items of a small set, and of a large one some, always the same ones, in order."""
    if len(items) <= ALL_UP_TO:
        return list(items)
    return [items[i] for i in sorted(random.Random(0).sample(range(len(items)), SAMPLE))]


def fingerprint(config: Any, files: Iterable[str]) -> str:
    """Return a digest of a config, and of names, sizes and times of files."""
    digest = hashlib.sha256(json.dumps([VERSION, config], default=str, sort_keys=True).encode())
    for name in files:
        try:
            stat = os.stat(name)
            digest.update(f'{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0'.encode())
        except OSError:
            digest.update(f'{name}\0none\0'.encode())
    return digest.hexdigest()


class PassCache:
    """Results of passes by fingerprint, in WORK_DIR/data_check.json.

    A file that cannot be read or written costs the time of the pass, nothing else.

    Args:
        folder: the work dir; None: nothing is kept.
        keeps: whether new results are written; of several processes one does.
    """

    def __init__(self, folder: str | Path | None, keeps: bool = True) -> None:
        self.keeps = keeps
        self.path = Path(folder, FILE_NAME) if folder else None
        self.results: dict[str, Any] = {}
        if self.path:
            with contextlib.suppress(OSError, ValueError, RecursionError):
                read = json.loads(self.path.read_text(encoding='utf-8'))
                self.results = read if isinstance(read, dict) else {}

    def get(self, key: str) -> Any:
        return self.results.get(key)

    def put(self, key: str, result: Any) -> None:
        """Keep a result, which JSON can say."""
        self.results[key] = result
        if self.path and self.keeps:
            with contextlib.suppress(OSError):
                write_text(self.path, json.dumps(self.results))
