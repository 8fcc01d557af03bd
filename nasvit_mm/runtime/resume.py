"""Finding the checkpoint that a run resumes from."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from mmengine.runner import find_latest_checkpoint


def latest_checkpoint(work_dir: str) -> str | None:
    """Return the newest checkpoint of a work dir, None if there is none.

    A process killed while it writes leaves mmengine's own pointer empty, or a checkpoint truncated:
    such files are passed over.
    """
    pointed = find_latest_checkpoint(work_dir)
    if pointed and Path(pointed).is_file():
        return pointed
    found = [
        path
        for path in Path(work_dir).glob('*.pth')
        if re.fullmatch(r'(iter|epoch)_\d+', path.stem) and zipfile.is_zipfile(path)
    ]
    return str(max(found, key=lambda path: int(path.stem.split('_')[1]))) if found else None
