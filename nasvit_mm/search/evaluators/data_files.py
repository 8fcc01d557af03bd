"""What the data of an evaluator are, wherever they lie on the disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nasvit_mm.data import datasets_in
from nasvit_mm.files import DIGITS, sha256


def data_digest(loader: Mapping[str, Any]) -> str | None:
    """Return a digest of the files that a data loader's config names by absolute paths.

    It is of the names relative to the data root and the sizes of images and label maps, and of the
    content of annotation files: the content of images is not read.  Of ``split`` of an image folder
    only that one counts.

    Returns:
        None where there is no absolute path (relative ones move along with the project), or a path
        is not on this machine.
    """
    found = hashlib.sha256()
    parts = [part for _, data in datasets_in(loader.get('dataset'), '') for part in _parts(data)]
    if not any(os.path.isabs(path) for path, _ in parts):
        return None
    try:
        for path, is_list in parts:
            lines = [sha256(path)] if is_list else _listed(path)
            for line in lines:
                found.update(f'{line}\n'.encode())
            found.update(b'\n')
    except OSError:
        return None
    return found.hexdigest()[:DIGITS]


def _parts(dataset: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield paths of a data set, and whether it is a list of annotations, not a folder."""
    root = str(dataset.get('data_root') or '')
    names = [n for n in (dataset.get('data_prefix') or {}).values() if isinstance(n, str) and n]
    if not names and isinstance(dataset.get('split'), str):
        names = [dataset['split']]
    if root or names:
        yield from ((os.path.join(root, name), False) for name in names or [''])
    if isinstance(dataset.get('ann_file'), str) and dataset['ann_file']:
        yield os.path.join(root, dataset['ann_file']), True


def _listed(folder: str) -> Iterator[str]:
    """Yield relative name and size of every file below a folder, in the order of names.

    Raises:
        OSError: no such folder.
    """
    os.stat(folder)
    for place, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            yield f'{path.relative_to(folder)} {path.stat().st_size}'
