"""Archives, unpacked into a folder and nowhere else."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from nasvit_mm.errors import DataError, UsageError, first_line, shown_path


def unpack(archive: Path, folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Unpack the files of an archive into a folder that is there.

    Only plain files and folders are made: no links, devices or owners, and no file outside of the
    folder.

    Args:
        wanted: whether a file, by its name in the archive, is unpacked.

    Raises:
        DataError: the archive is damaged, or holds a name that leads out of the folder.
        UsageError: what it holds does not fit on the disk.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                files = [
                    (i.filename, i.file_size, lambda i=i: opened.open(i))
                    for i in opened.infolist()
                    if not i.is_dir() and not stat.S_ISLNK(i.external_attr >> 16)
                ]
                _write(archive, folder, [f for f in files if wanted(f[0])])
        else:
            with tarfile.open(archive) as opened:
                files = [
                    (m.name, m.size, lambda m=m: opened.extractfile(m))
                    for m in opened.getmembers()
                    if m.isreg()
                ]
                _write(archive, folder, [f for f in files if wanted(f[0])])
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as e:
        raise DataError(
            f'{shown_path(archive)} is damaged ({first_line(e)}): remove it, and fetch it again'
        ) from e


def _write(archive: Path, folder: Path, files: list[tuple[str, int, Callable]]) -> None:
    for name, _, _ in files:
        parts = PurePosixPath(name).parts
        if PurePosixPath(name).is_absolute() or '..' in parts or '\\' in name or ':' in name:
            raise DataError(
                f'{shown_path(archive)} holds {name!r}, which leads out of its folder: it is not '
                'unpacked'
            )
    size, free = sum(size for _, size, _ in files), shutil.disk_usage(folder).free
    if size > free:
        raise UsageError(
            f'{shown_path(archive)} unpacks to {size / 2**20:.0f} MiB, and {free / 2**20:.0f} MiB '
            f'are free at {folder}: free some space, or give another --root'
        )
    for name, size, open_ in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_() as source, path.open('wb') as target:
            shutil.copyfileobj(source, target)
        if path.stat().st_size != size:
            raise DataError(f'{shown_path(archive)} is damaged: {name} is cut')
