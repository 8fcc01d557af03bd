"""Files and folders are written whole or not at all, whatever stops the writing."""

from __future__ import annotations

import errno
import fcntl
import re
from pathlib import Path

import pytest

from nasvit_mm.files import WriteError, replacing, replacing_folder, write_text

ROOT = Path(__file__).resolve().parents[1]


WRITES = re.compile(
    r"(\.(write_text|write_bytes|savefig|save)|\btorch\.save|\bdump)\(|open\(([^()]*, )?'[wax]b?'"
)
OTHERWISE = {  # what is written without a draft, and why
    'auto/page.py': 'in memory',
    'demo_data/': 'whole once its marker says so',
    'deploy/formats.py': 'files of a draft folder',
    'deploy/kit.py': 'files of a kit, whose list is written last',
    'deploy/networks.py': 'files of a kit, whose list is written last',
    'deploy/time_networks.py': 'a script for a device without this package',
    'deploy/predictor.py': 'an example in a docstring',
    'deploy/timing.py': 'an artefact, which writes a draft',
    'own_data/lay_out.py': 'files of a draft folder',
    'own_data/sheet.py': 'files of a draft folder',
    'public_data/download.py': 'a part, with which the next try goes on',
    'public_data/lay_out.py': 'files of a draft folder',
    'public_data/unpack.py': 'files of a draft folder',
    'search/evaluators/artefact.py': 'in a temporary folder',
    'search/record/archive.py': 'appended to, a line at a time',
    'search/progress.py': 'appended to, a line at a time',
    'supernet/model.py': 'a dump for the error that follows',
    'checkpoints/reading.py': 'advice in a message',
    'checkpoints/writing.py': 'the file of a draft',
    'cli/latency.py': 'a latency table, which writes a draft',
    'dense/kinds/drawing.py': 'in a temporary folder',
    'doctor.py': 'to nowhere',
}


def test_files_are_written_by_drafts() -> None:
    for path in (ROOT / 'nasvit_mm').rglob('*.py'):
        name = path.relative_to(ROOT / 'nasvit_mm').as_posix()
        for line in path.read_text(encoding='utf-8').splitlines():
            if WRITES.search(line) and 'draft' not in line:
                assert name.startswith(tuple(OTHERWISE)), f'{name}: {line.strip()}'


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, 'No space left on device')


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / 'x.json'
    write_text(path, 'old')
    monkeypatch.setattr(Path, 'write_text', full)
    with pytest.raises(WriteError, match='No space left on device; .* MiB are free') as caught:
        write_text(path, 'new')
    assert str(path) in str(caught.value) and path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('place', ['file/x.json', '/proc/x/y.json', 'folder', 'a' * 300])
def test_paths_that_cannot_be_written(place: str, tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    (tmp_path / 'folder/in').mkdir(parents=True)
    with pytest.raises(WriteError, match='cannot be written') as caught:
        write_text(tmp_path / place, 'new')
    assert str(tmp_path / place) in str(caught.value)


def test_an_error_of_another_file_is_not_of_this_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / 'a/x'):
        (tmp_path / 'b/none').read_text()


def test_two_at_once_write_a_draft_each(tmp_path: Path) -> None:
    path = tmp_path / 'x'
    with replacing(path) as one, replacing(path) as two:
        assert one != two
        one.write_text('one')
        two.write_text('two')
    assert path.read_text() == 'one' and list(tmp_path.iterdir()) == [path]


def test_drafts_of_killed_processes_go(tmp_path: Path) -> None:
    dead, alive, other = (tmp_path / f'{n}.part' for n in ('x.00000000', 'x.11111111', 'x.y'))
    for path in (dead, alive, other):
        path.touch()
    with alive.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_text(tmp_path / 'x', 'new')
    assert {path.name for path in tmp_path.iterdir()} == {'x', alive.name, other.name}


def export(folder: Path, text: str, *names: str, check=None) -> None:
    with replacing_folder(folder, ('a', 'b'), check) as draft:
        for name in names:
            (draft / name).write_text(text)


def test_an_error_names_the_folder_not_its_draft(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Path, 'write_text', full)
    with (
        pytest.raises(WriteError, match=f'{tmp_path}/out/a cannot be'),
        replacing_folder(tmp_path / 'out', ('a',)) as draft,
    ):
        write_text(draft / 'a', 'new')


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / 'out'
    export(folder, 'old', 'a', 'b')
    (folder / 'train').mkdir()
    (folder / 'train/log').write_text('kept')
    export(folder, 'new', 'b')
    assert contents(folder) == {'b': 'new'} and contents(folder / 'train') == {'log': 'kept'}
    assert list(tmp_path.iterdir()) == [folder]


def test_files_in_a_draft_of_a_folder(tmp_path: Path) -> None:
    """The locks of one process do not wait for one another."""
    with replacing_folder(tmp_path / 'out', ('a',)) as draft:
        write_text(draft / 'a', 'new')
    assert contents(tmp_path / 'out') == {'a': 'new'}


def test_an_error_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / 'out'
    export(folder, 'old', 'a', 'b')

    def taken() -> None:
        raise ValueError('taken')

    with pytest.raises(ValueError, match='taken'):
        export(folder, 'new', 'a', 'b', check=taken)
    monkeypatch.setattr(Path, 'write_text', full)
    with pytest.raises(WriteError, match='out cannot be written'):
        export(folder, 'new', 'a', 'b')
    assert contents(folder) == {'a': 'old', 'b': 'old'} and list(tmp_path.iterdir()) == [folder]


def test_a_folder_of_other_things_is_filled(tmp_path: Path) -> None:
    """As it is: it may be a mount point, or the folder that one works in."""
    (tmp_path / 'mine').write_text('kept')
    folder = tmp_path.stat().st_ino
    with pytest.raises(WriteError, match='by another process meanwhile'):
        export(tmp_path, 'new', 'a', check=(tmp_path / 'b').touch)
    (tmp_path / 'b').unlink()
    export(tmp_path, 'new', 'a', 'b')
    assert contents(tmp_path) == {'mine': 'kept', 'a': 'new', 'b': 'new'}
    assert tmp_path.stat().st_ino == folder and len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize('put', [False, True], ids=['before the new one', 'after it'])
def test_a_kill_between_the_renames_loses_nothing(put: bool, tmp_path: Path) -> None:
    folder, aside = tmp_path / 'out', tmp_path / '.out.replaced'
    export(aside, 'old', 'a')
    (aside / 'train').mkdir()
    if put:
        export(folder, 'new', 'b')

    def held() -> None:
        assert contents(folder) == ({'b': 'new'} if put else {'a': 'old'})

    export(folder, 'later', 'a', check=held)
    assert contents(folder) == {'a': 'later'}
    assert (folder / 'train').is_dir() and list(tmp_path.iterdir()) == [folder]
