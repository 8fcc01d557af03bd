"""Which checkpoint a run goes on from."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from mmengine.runner import find_latest_checkpoint


def latest_checkpoint(work_dir: str) -> str | None:
    """The newest checkpoint of a work dir, None where there is none.

    mmengine's own pointer is lost where the process was killed while it was written, and a
    checkpoint is cut where it was killed while that was.
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
