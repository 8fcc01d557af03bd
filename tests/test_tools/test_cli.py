"""The console command, and the scripts that are doors to the same modules."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from nasvit_mm import cli
from nasvit_mm.version import __version__
from tests.commands import CONFIG, ROOT, error_line

MODULES = {module for module, _ in cli.COMMANDS.values()}


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Run the console command in this process: exit code, what it printed, its error."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, 'argv', ['nasvit-mm', *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
        return (code, *capsys.readouterr())

    return call


def test_a_command_a_module() -> None:
    """Each module of the folder is a command, but for what they share and a part of one."""
    files = {path.stem for path in (ROOT / 'nasvit_mm/cli').glob('*.py')}
    files -= {'__init__', '__main__', 'common', 'latency'}
    assert MODULES == {f'nasvit_mm.cli.{name}' for name in files} | {'nasvit_mm.doctor'}


@pytest.mark.parametrize(
    'door', [*(ROOT / 'tools').glob('*.py'), ROOT / 'demo/image_demo.py'], ids=lambda p: p.stem
)
def test_a_script_is_a_door(door: Path) -> None:
    text = door.read_text(encoding='utf-8')
    (module,) = re.findall(r'^from (\S+) import main$', text, re.M)
    assert module in MODULES and len(text.splitlines()) <= 12
    assert f'python {door.relative_to(ROOT)}' in text, 'its usage'


def test_help_lists_all(console) -> None:
    code, out, _ = console('--help')
    assert code == 0
    assert all(f'  {name} ' in out and line in out for name, (_, line) in cli.COMMANDS.items())


def test_the_version(console) -> None:
    code, out, _ = console('--version')
    assert code == 0 and out.strip() == __version__


def test_help_of_a_command(console) -> None:
    code, out, _ = console('demo-data', '--help')
    assert code == 0 and out.startswith('usage: nasvit-mm demo-data ')


def test_unknown_command(console) -> None:
    code, _, err = console('trian')
    assert code == 2 and "COMMAND = 'trian' (did you mean train?), allowed: " in err


def test_an_architecture_file_of_bytes(console, tmp_path: Path) -> None:
    """Named, with what is wrong: the error of a decoder begins with the codec's name."""
    path = tmp_path / 'binary.json'
    path.write_bytes(b'\xff\xd8\xff\xe0')
    code, _, err = console('flops', ROOT / CONFIG, '--arch', path)
    assert f'--arch: architecture file {path} is not valid json: ' in error_line(code, err)
