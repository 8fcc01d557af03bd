"""A demo data set on disk: whether the folder is ours, its scenes, and whether it is complete.

The marker file is written before the first image and marked complete after the last. So a folder
without a marker is not ours, and one with an incomplete marker was interrupted.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from nasvit_mm.errors import check_number
from nasvit_mm.files import write_text

from .classes import CLASSES
from .scenes import Scene, check_scene_arguments, render_scene

MARKER = 'nasvit_mm_demo_data.json'

GENERATOR = 1
"""Raise it when a seed no longer gives the same image: data of another number are written again."""

SPLITS = ('train', 'val')


@dataclass(frozen=True)
class Written:
    """The data on disk.

    ``shares[split][class name]`` is a share of the split's pixels; ``unlabelled`` is one of the
    names.
    """

    root: Path
    counts: dict[str, int]
    shares: dict[str, dict[str, float]]
    fresh: bool  # False: the same data existed already, nothing was written


def scene_seed(seed: int, split: str, index: int) -> int:
    """Return the seed of a data set's image.

    It is even for train and odd for val, so that no two data sets share images across splits.
    """
    return 2 * (seed * 10**8 + index) + SPLITS.index(split)


class DemoFolder:
    """The folder of one data set, from the first check to the complete marker.

    Args:
        root: the folder; created if it does not exist.
        layout: name of the layout.
        patterns: globs under root that match every file that the layout writes, and as little
            else as possible: these files are removed before others are written.
        num_train, num_val: number of images, at least 1 each.
        height, width, seed: see ``render_scene``; ``seed`` is the data set's.

    Raises:
        ValueError: a number is out of range.
        FileExistsError: root is not demo data of this layout. Nothing was touched.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        layout: str,
        patterns: Sequence[str],
        num_train: int,
        num_val: int,
        height: int,
        width: int,
        seed: int,
    ):
        check_number('num_train', num_train, low=1, whole=True)
        check_number('num_val', num_val, low=1, whole=True)
        check_scene_arguments(seed, height, width)
        self.root = Path(root).expanduser()
        self.patterns = patterns
        self.counts = {'train': int(num_train), 'val': int(num_val)}
        self.height, self.width, self.seed = int(height), int(width), int(seed)
        self._identity = {'layout': layout, 'generator': GENERATOR, 'counts': self.counts}
        self._identity |= {'height': self.height, 'width': self.width, 'seed': self.seed}
        self._marker = self._read_marker()
        self._pixels = {split: np.zeros(256, np.int64) for split in SPLITS}

    def present(self) -> Written | None:
        """Return an earlier call's data, if its arguments were the same and no file is missing."""
        if any(self._marker.get(key) != value for key, value in self._identity.items()):
            return None
        if not self._marker.get('complete') or self._marker.get('files') != len(self._files()):
            return None
        return Written(self.root, self.counts, self._marker['shares'], fresh=False)

    def begin(self, folders: Sequence[str]) -> None:
        """Mark the folder as being written, remove earlier files and create the subfolders."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._write_marker({'complete': False})
        for path in self._files():
            path.unlink()
        for folder in folders:
            (self.root / folder).mkdir(parents=True, exist_ok=True)

    def scenes(self, progress: bool) -> Iterator[tuple[str, int, Scene]]:
        """Draw every scene of the data set and yield (split, index from 0, scene)."""
        todo = [(split, i) for split in SPLITS for i in range(self.counts[split])]
        if progress and sys.stdout.isatty():
            from rich.progress import (
                track,
            )  # only here, so that rich is not needed without a progress bar

            todo = track(todo, description=f'drawing {self.root.name}')
        for split, index in todo:
            scene = render_scene(scene_seed(self.seed, split, index), self.height, self.width)
            self._pixels[split] += np.bincount(scene.labels.ravel(), minlength=256)
            yield split, index, scene

    def save(self, path: str, image: np.ndarray, options: Sequence[int] = ()) -> None:
        """Write an RGB (H, W, 3) or one-channel (H, W) image under root, in its name's format."""
        image = image[..., ::-1] if image.ndim == 3 else image  # cv2 wants BGR
        data = cv2.imencode(Path(path).suffix, image, list(options))[1]
        # Unlike cv2.imwrite, write_bytes raises an error that tells the reason.
        (self.root / path).write_bytes(data)

    def finish(self) -> Written:
        """Mark the folder as complete."""
        shares = {}
        for split, pixels in self._pixels.items():
            share = (pixels / pixels.sum()).tolist()
            shares[split] = dict(zip(CLASSES, share, strict=False)) | {'unlabelled': share[-1]}
        self._write_marker({'complete': True, 'files': len(self._files()), 'shares': shares})
        return Written(self.root, self.counts, shares, fresh=True)

    def _files(self) -> list[Path]:
        return [path for pattern in self.patterns for path in self.root.glob(pattern)]

    def _read_marker(self) -> dict:
        root, path = self.root, self.root / MARKER
        if root.exists() and not root.is_dir():
            raise FileExistsError(f'root={str(root)!r} is a file; a folder is needed')
        if not path.exists():
            if root.exists() and any(root.iterdir()):
                raise FileExistsError(
                    f'root={str(root)!r} is not empty and has no {MARKER}, so it is not demo data; '
                    'nothing was written. Choose a new or empty folder'
                )
            return {}
        try:
            marker = json.loads(path.read_text(encoding='utf-8'))
            layout = marker['layout']
        except (ValueError, KeyError, TypeError):
            raise FileExistsError(
                f'{path} is damaged; remove {str(root)!r} to write it again'
            ) from None
        if layout != self._identity['layout']:
            raise FileExistsError(
                f'root={str(root)!r} holds demo data in the layout {layout!r}; '
                f'choose another folder for {self._identity["layout"]!r}'
            )
        return marker

    def _write_marker(self, state: dict) -> None:
        write_text(self.root / MARKER, json.dumps(self._identity | state, indent=1) + '\n')
