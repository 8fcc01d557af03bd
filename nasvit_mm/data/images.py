"""How an image file is read: its size, its EXIF orientation, its channels; pixels stay on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageMode

from nasvit_mm.data.report import Problems

ORIENTATION = 0x0112  # EXIF's tag
TURNING = ('color', 'grayscale')  # color_type of mmcv's loader that heeds the orientation


class ImageHeader(NamedTuple):
    """What the first bytes of an image file say.

    Attributes:
        stored: (width, height) of the pixels in the file.
        orientation: EXIF's, 1 (upright) to 8.
        format: Pillow's name, e.g. ``'PNG'``.
        mode: Pillow's, e.g. ``'L'``.
    """

    stored: tuple[int, int]
    orientation: int
    format: str
    mode: str

    @property
    def upright(self) -> tuple[int, int]:
        """Return (width, height) once turned as EXIF says; 5 to 8 lie on their side."""
        return self.stored[::-1] if self.orientation >= 5 else self.stored

    @property
    def channels(self) -> int:
        return len(ImageMode.getmode(self.mode).bands)

    @property
    def tells_by_size(self) -> bool:
        """Return whether the size alone tells if annotations are of the turned image."""
        return self.stored != self.upright


def read_header(path: str) -> ImageHeader:
    """Return what an image file says of itself.

    Raises:
        OSError: there is no such file, or it is no image.
    """
    with Image.open(path) as image:
        try:
            orientation = image.getexif().get(ORIENTATION, 1)
        except (SyntaxError, ValueError, KeyError):  # of a broken EXIF block, which cv2 skips too
            orientation = 1
        if orientation not in range(1, 9):
            orientation = 1
        return ImageHeader(image.size, orientation, image.format or '', image.mode)


def read_pixels(path: str) -> None:
    """Decode an image file, at a reduced size where its format allows that.

    Raises:
        OSError: it is cut or damaged.
    """
    with Image.open(path) as image:
        image.draft('RGB', (1, 1))  # of a JPEG: an eighth of the size
        image.load()


def header_of_whole(path: str, split: str, source: str, problems: Problems) -> ImageHeader | None:
    """Return what an image file says of itself, once its pixels were decoded.

    Args:
        split, source: of the data set, for the message about a broken file.

    Returns:
        None where there is no such file, which another check looks for, or where it is broken.
    """
    try:
        header = read_header(path)
        read_pixels(path)
    except FileNotFoundError:
        return None
    except Exception as error:  # decoders raise what they will
        problems.add(
            f'images of the {split} data set that cannot be read',
            f'{path} ({error})',
            f'Replace them, or remove them from {source}.',
        )
        return None
    return header


def near(path: str | Path) -> str:
    """Return `` (there is X)`` if a file that does not exist does so in other letters or slashes.

    Windows writes backslashes into lists, and takes ``.JPG`` for ``.jpg``.
    """
    wanted = Path(str(path).replace('\\', '/'))
    if not wanted.parent.is_dir():
        return ''
    there = [p.name for p in wanted.parent.iterdir() if p.name.lower() == wanted.name.lower()]
    return f' (there is {wanted.parent / there[0]})' if there else ''


def files_below(folder: str | Path, suffix: str = '') -> Iterator[str]:
    """Yield the files below a folder with a suffix, relative to it, as mmengine lists them.

    Links are followed, hidden files left out.
    """
    seen = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        inside = os.path.relpath(here, folder)
        names = [n for n in files if n.endswith(suffix) and not n.startswith('.')]
        yield from names if inside == '.' else (os.path.join(inside, name) for name in names)


def size_text(size: tuple[int, int]) -> str:
    return f'{size[0]} x {size[1]}'


def transforms_of(dataset: Any) -> Iterator[Any]:
    """Yield the transforms of a data set's pipeline."""
    pipeline = getattr(dataset, 'pipeline', None)
    yield from getattr(pipeline, 'transforms', None) or ()


def turns_images(transforms: Iterator[Any]) -> bool:
    """Return whether a pipeline's loader turns images as EXIF says; mmcv's does by default."""
    for step in transforms:
        get = step.get if isinstance(step, dict) else lambda key, d=None, s=step: getattr(s, key, d)
        name = step.get('type', '') if isinstance(step, dict) else type(step).__name__
        if str(name).rpartition('.')[2] == 'LoadImageFromFile':
            return get('color_type', 'color') in TURNING
    return True
