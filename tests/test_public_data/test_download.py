"""Downloads against a server of this machine: cut, resumed, wrong; archives that lead out."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nasvit_mm.errors import UsageError
from nasvit_mm.public_data import download as module
from nasvit_mm.public_data.download import Checksum, Unreachable, download
from nasvit_mm.public_data.unpack import unpack
from tests.test_public_data.server import Server, serving

CONTENT = bytes(range(256)) * 40
RIGHT = Checksum('sha256', hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, 'PAUSE', 0)
    monkeypatch.setattr(module, 'TIMEOUT', 5)
    (tmp_path / 'served').mkdir()
    (tmp_path / 'served/file.bin').write_bytes(CONTENT)
    with serving(tmp_path / 'served') as running:
        yield running


def get(server: Server, folder: Path, checksum: Checksum | None = RIGHT) -> Path:
    return download(f'{server.url}/file.bin', folder / 'got' / 'file.bin', checksum, say=str)


def test_a_file(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path).read_bytes() == CONTENT
    get(server, tmp_path)
    assert len(server.asked) == 1  # it is there


def test_a_cut_download_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.cut = [1000, 2000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, 'bytes=1000-', 'bytes=3000-']


def test_a_cut_download_is_no_file(server: Server, tmp_path: Path) -> None:
    """After the last try what has come is kept for the next command, under another name."""
    server.cut = [1000, 1000, 1000]
    with pytest.raises(Unreachable, match='ended after 3000 of 10240 bytes'):
        get(server, tmp_path, None)
    assert not (tmp_path / 'got/file.bin').exists()
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1][1] == 'bytes=3000-'


def test_a_server_without_ranges(server: Server, tmp_path: Path) -> None:
    server.ranges, server.cut = False, [1000]
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_file_that_was_whole_but_not_yet_called_so(server: Server, tmp_path: Path) -> None:
    (tmp_path / 'got').mkdir()
    (tmp_path / 'got/file.bin.part').write_bytes(CONTENT)
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize('begun', [b'', b'of another file'], ids=['fresh', 'resumed'])
def test_a_wrong_checksum(server: Server, tmp_path: Path, begun: bytes) -> None:
    (tmp_path / 'got').mkdir()
    (tmp_path / 'got/file.bin.part').write_bytes(begun)
    wrong = RIGHT if begun else Checksum('sha256', '0' * 64)
    with pytest.raises(UsageError, match=f'expected {wrong.digits}: it was removed'):
        get(server, tmp_path, wrong)
    assert not list((tmp_path / 'got').iterdir())


def test_a_file_by_hand_is_compared_and_stays(server: Server, tmp_path: Path) -> None:
    (tmp_path / 'got').mkdir()
    (tmp_path / 'got/file.bin').write_bytes(b'mine')
    with pytest.raises(UsageError, match='expected .*: remove it and try again'):
        get(server, tmp_path)
    assert (tmp_path / 'got/file.bin').read_bytes() == b'mine'


def test_no_such_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / 'served/file.bin').unlink()
    with pytest.raises(Unreachable, match='the server says 404'):
        get(server, tmp_path)


def test_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, 'PAUSE', 0)
    with pytest.raises(Unreachable, match='Connection refused'):
        download('http://127.0.0.1:9/file', tmp_path / 'file', None)


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='expected http:// or https://'):
        download('file:///etc/passwd', tmp_path / 'file', None)


# ---------------------------------------------------------------------- archives
def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, 'w:gz') as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def linking(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_files_and_no_links(tmp_path: Path) -> None:
    """Neither is a file written through a link of the archive."""
    outside = tmp_path / 'outside'
    path = tar(
        tmp_path / 'a.tgz',
        (tarfile.TarInfo('top/a.txt'), b'a'),
        (linking('top/link', str(outside)), b''),
        (tarfile.TarInfo('top/link/b.txt'), b'b'),
    )
    (tmp_path / 'to').mkdir()
    unpack(path, tmp_path / 'to', lambda name: True)
    assert (tmp_path / 'to/top/a.txt').read_bytes() == b'a' and not outside.exists()
    assert not any(p.is_symlink() for p in (tmp_path / 'to').rglob('*'))


@pytest.mark.parametrize('name', ['../evil', '/tmp/evil', 'a/../../evil', 'c:evil', 'a\\..\\evil'])
@pytest.mark.parametrize('kind', ['tar', 'zip'])
def test_names_that_lead_out(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / 'archive'
    if kind == 'tar':
        tar(path, (tarfile.TarInfo(name), b'evil'))
    else:
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr(name, 'evil')
    (tmp_path / 'in').mkdir()
    with pytest.raises(UsageError, match='leads out of its folder'):
        unpack(path, tmp_path / 'in')
    assert not list((tmp_path / 'in').iterdir())


@pytest.mark.parametrize('kind', ['tar', 'zip'])
def test_a_cut_archive(tmp_path: Path, kind: str) -> None:
    path = tmp_path / 'archive'
    content = bytes(range(256)) * 200
    if kind == 'tar':
        tar(path, (tarfile.TarInfo('a'), content), (tarfile.TarInfo('b'), content))
    else:
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('a', content)
    path.write_bytes(path.read_bytes()[:-40])
    (tmp_path / 'in').mkdir()
    with pytest.raises(UsageError, match='is damaged'):
        unpack(path, tmp_path / 'in')


def test_more_than_the_disk_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tar(tmp_path / 'a.tgz', (tarfile.TarInfo('a'), b'12345'))
    free = type('Usage', (), dict(free=4))
    monkeypatch.setattr('nasvit_mm.public_data.unpack.shutil.disk_usage', lambda _: free)
    with pytest.raises(UsageError, match='0 MiB are free .* --root'):
        unpack(path, tmp_path)
