"""Commands end in one line on what people type, in this process and before anything is built."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import torch

from nasvit_mm.cli.common import run
from nasvit_mm.cli.image_demo import named_images
from nasvit_mm.errors import UsageError
from tests.commands import CONFIG, ROOT, error_line

SEARCH = 'configs/search/nasvit_ade20k_5g_search.py'


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv('RANK', raising=False)
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setenv('NASVIT_MM_DEBUG', '0')

    def call(command: str, *arguments: str | Path) -> str:
        module = import_module(f'nasvit_mm.cli.{command}')
        with pytest.raises(SystemExit) as stop:
            run(lambda: module.main(list(map(str, arguments))))
        return error_line(stop.value.code, capsys.readouterr().err)

    return call


@pytest.mark.parametrize('place', ['file', 'file/below', '/proc/x'])
def test_work_dirs_that_cannot_be(place: str, said, tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    for command, config in (('train', CONFIG), ('search', SEARCH)):
        folder = tmp_path / place
        message = said(command, config, '--work-dir', folder)
        assert str(folder) in message and ('is a file' in message or 'cannot be' in message)


@pytest.mark.parametrize(
    ('command', 'arguments', 'expected'),
    [
        ('train', [SEARCH], 'is the config of a search'),
        ('flops', [SEARCH], 'is the config of a search'),
        ('search', [CONFIG], 'is the config of a model'),
        ('train', ['configs/seg/nasvit_ade2k.py'], 'did you mean configs/seg/nasvit_ade20k'),
        ('train', ['configs/seg'], 'is a folder'),
        ('train', [CONFIG, '--cfg-options', 'garbage'], 'expected KEY=VALUE'),
        ('benchmark', [CONFIG, '--threads', '100000'], 'cores, expected at most'),
        ('benchmark', [CONFIG, '--onnx', '/proc/nope/x.onnx'], '--onnx'),
        ('benchmark', [CONFIG, '--device', 'meta'], 'expected cpu, cuda or cuda:N'),
        ('benchmark', [CONFIG, '--device', 'foo'], 'expected cpu, cuda or cuda:N'),
        ('benchmark', [CONFIG, '--batch-size', '100000000'], 'smaller --batch-size or --shape'),
        ('benchmark', [CONFIG, '--shape', '65536'], 'smaller --batch-size or --shape'),
        ('benchmark', [CONFIG, '--onnx', 'README.md/x.onnx'], 'is a file, expected a folder'),
        ('benchmark', [CONFIG, '--onnx', 'configs'], 'is a folder, expected a file'),
        ('export', [SEARCH, '--arch', 'smallest', '--out', '/etc/passwd'], 'passwd is a file'),
        ('demo_data', ['--height', '10000000', '--out', 'work_dirs/none'], 'at most 4096'),
        ('demo_data', ['--out', 'README.md'], 'README.md'),
        ('demo_data', ['--out', '/proc/nope'], '/proc/nope'),
        ('convert', ['nasvit', 'README.md', 'x.pth'], 'cannot be read as a checkpoint'),
        ('image_demo', ['README.md', CONFIG, '--weights', 'x', '--device', 'foo'], 'cuda:N'),
        ('image_demo', ['README.md', SEARCH, '--weights', 'x'], 'is the config of a search'),
    ],
)
def test_mistakes(command: str, arguments: list[str], expected: str, said) -> None:
    message = said(command, *arguments)
    assert expected in message and len(message) < 700


def test_a_shape_of_another_form(capsys: pytest.CaptureFixture) -> None:
    from nasvit_mm.cli import flops

    for shape in ('512x512', '99999999', '0'):
        with pytest.raises(SystemExit):
            flops.main([CONFIG, '--shape', shape])
        assert 'as in --shape 512 1024' in capsys.readouterr().err


def test_the_traceback_is_shown_where_it_is_asked_for(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def main() -> None:
        raise UsageError('wrong')

    for given, shown in (('1', True), ('0', False)):
        monkeypatch.setenv('NASVIT_MM_DEBUG', given)
        with pytest.raises(SystemExit):
            run(main)
        assert ('Traceback' in capsys.readouterr().err) == shown


def test_an_interrupt_says_how_to_resume(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    monkeypatch.delenv('RANK', raising=False)
    monkeypatch.setattr('sys.argv', ['tools/train.py'])
    with pytest.raises(SystemExit) as stop:
        run(main)
    assert stop.value.code == 130 and 'with --resume' in capsys.readouterr().err


def test_images_of_files_and_folders(tmp_path: Path) -> None:
    """Below folders too, by names of their own; what was written earlier is no input."""
    for name in ('a/x.jpg', 'a/b/x.png', 'a/b/X.PNG', 'a/notes.txt', 'a/out/vis/x.jpg', 'x.jpg'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    given = [str(tmp_path / 'x.jpg'), str(tmp_path / 'a'), 'http://u/i.jpg?q=1.2', 'README.md']
    found = named_images(given, tmp_path / 'a/out')
    assert found == {
        'x': given[0],
        'b/X': str(tmp_path / 'a/b/X.PNG'),
        'b/x': str(tmp_path / 'a/b/x.png'),
        'x_2': str(tmp_path / 'a/x.jpg'),
        'i': given[2],
        'README': given[3],
    }
    (tmp_path / 'none').mkdir()
    for wrong, said in ((tmp_path / 'none', 'holds no image'), ('nowhere.jpg', 'does not exist')):
        with pytest.raises(UsageError, match=said):
            named_images([str(wrong)], tmp_path)


def test_a_batch_that_does_not_fit() -> None:
    from nasvit_mm.cli.benchmark import memory_errors

    with pytest.raises(UsageError, match='smaller --batch-size'), memory_errors(10**9, (512, 512)):
        torch.empty(10**15)
