"""Images that two splits have in common, so that a metric is of images that were learnt."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable

from nasvit_mm.data.pass_cache import PassCache, fingerprint
from nasvit_mm.data.report import Problems, some, with_progress
from nasvit_mm.files import sha256

CHUNK = 4096  # bytes at the beginning, the middle and the end that tell most files apart
CONTENTS_UP_TO = 200_000  # files; of more, names alone are compared


class SharedImages:
    """Remember the images of each split, and warn of those that two of them read."""

    def __init__(self) -> None:
        self._splits: dict[str, set[str]] = {}

    def add(self, split: str, images: Iterable[str]) -> None:
        """Add the files of one data set; links count as what they lead to."""
        folder = functools.cache(os.path.realpath)  # of thousands of images that are in one
        self._splits.setdefault(split, set()).update(
            os.path.realpath(path)
            if os.path.islink(path)
            else os.path.join(folder(os.path.dirname(path)), os.path.basename(path))
            for path in images
        )

    def warn(self, problems: Problems, cache: PassCache, contents: bool = True) -> None:
        """Warn of images of the training set that are evaluated, under their name or another.

        Args:
            contents: whether files of other names are compared, too.
        """
        trained = self._splits.get('train', set())
        for split, images in self._splits.items():
            if split == 'train':
                continue
            shared = sorted(trained & images)
            if shared:
                problems.warn(
                    f'{len(shared)} of {len(images)} images of the {split} data set are in the '
                    f'training set too, so the metric is of images that were learnt: '
                    f'{some(shared)}'
                )
            pairs = _same_contents(trained, images - trained, split, cache) if contents else []
            if pairs:
                problems.warn(
                    f'{len(pairs)} of {len(images)} images of the {split} data set are in the '
                    'training set too under another name, so the metric is of images that were '
                    f'learnt: {some([f"{one} is {other}" for one, other in pairs])}'
                )


def _same_contents(
    trained: set[str], others: set[str], split: str, cache: PassCache
) -> list[list[str]]:
    """Return pairs of files, evaluated and trained, that hold the same bytes."""
    if not trained or not others or len(trained) + len(others) > CONTENTS_UP_TO:
        return []
    files = [*sorted(others), *sorted(trained)]
    key = fingerprint(('shared', split, len(others)), files)
    kept = cache.get(key)
    if kept is not None:
        return kept
    twins: dict[tuple, str] = {}
    sizes = {path: _size(path) for path in files}
    common = {sizes[path] for path in trained} & {sizes[path] for path in others}
    alike = [path for path in sorted(trained) if sizes[path] in common]
    for path in with_progress(alike, f'comparing the training images with those of {split}'):
        twins.setdefault(_some_bytes(path, sizes[path]), path)
    pairs = []
    for path in sorted(others):
        twin = twins.get(_some_bytes(path, sizes[path])) if sizes[path] in common else None
        if twin and sha256(path) == sha256(twin):
            pairs.append([path, twin])
    cache.put(key, pairs)
    return pairs


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return -1


def _some_bytes(path: str, size: int) -> tuple:
    """Return the size of a file, and a digest of three pieces of it."""
    digest = hashlib.sha256()
    try:
        with open(path, 'rb') as file:
            for place in (0, size // 2, size - CHUNK):
                file.seek(max(0, place))
                digest.update(file.read(CHUNK))
    except OSError:
        return (path,)  # like no other; another check names it
    return size, digest.digest()
