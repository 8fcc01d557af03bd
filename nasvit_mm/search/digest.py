"""Files and values by their content: the first 16 digits of SHA-256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def sha256(path: str | Path) -> str:
    """Of a file."""
    found = hashlib.sha256()
    with Path(path).open('rb') as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()[:16]


def digest(value: Any) -> str:
    """Of JSON types."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
