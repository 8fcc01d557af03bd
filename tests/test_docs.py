"""The documents say what is there: commands, flags, configs, Python; and the site builds."""

from __future__ import annotations

import argparse
import ast
import json
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import nasvit_mm
from nasvit_mm.cli import COMMANDS

ROOT = Path(nasvit_mm.__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
NOTEBOOKS = sorted((ROOT / 'docs').rglob('*.ipynb'))
INCLUDED = {'contributing.md', 'security.md'}
SCRIPTS = {  # the scripts whose names are not their commands'
    'export_subnet': 'export',
    'convert_checkpoint': 'convert',
    'get_flops': 'flops',
}
UNRUN = '<!-- not run: '  # and the reason, on the line before a block of Python


def pages() -> list:
    return [pytest.param(p, id=str(p.relative_to(ROOT))) for p in PAGES if p.name not in INCLUDED]


def shell_lines(text: str) -> list[str]:
    """Return the indented lines that are commands, without comments."""
    blocks = re.sub(r'```.*?```', '', text, flags=re.S)
    found = [line.strip() for line in blocks.splitlines() if line.startswith('    ')]
    begins = ('python ', 'tools/', 'nasvit-mm ')
    return [line.partition('  #')[0] for line in found if line.startswith(begins)]


def flags_of(command: str) -> set[str]:
    """Return the options that a command takes."""
    parser = argparse.ArgumentParser()
    import_module(COMMANDS[command][0]).add_arguments(parser)
    return set(parser._option_string_actions)


def check(command: list[str]) -> None:
    """Check that a command's script, configs and flags are there."""
    for word in command:
        if word.startswith(('configs/', 'benchmarks/')) and word.endswith('.py'):
            assert (ROOT / word).exists(), word
    if command[0] == 'python' and command[1] == '-m':
        assert command[2].startswith('nasvit_mm'), command
        import_module(command[2])
        return
    name = command[1] if command[0] in ('python', 'nasvit-mm') else command[0]
    if command[0] != 'nasvit-mm':
        ours = name.startswith(('tools/', 'demo/', 'benchmarks/'))
        assert not ours or (ROOT / name).exists(), name
        if not name.startswith(('tools/', 'demo/')) or name.endswith('.sh'):
            return
        name = Path(name).stem
        name = SCRIPTS.get(name, name.replace('_', '-'))
    known = flags_of(name)
    flags = {word.partition('=')[0] for word in command if word.startswith('--')}
    assert flags <= known | {'--help'}, (command, flags - known)


def test_supernets_and_their_searches() -> None:
    """The tables of the page name configs by their files."""
    found = 0
    for row in re.findall(r'^\|.*\|$', (ROOT / 'docs/guides/supernets.md').read_text(), re.M):
        for cell, folder in zip(row.strip('|').split('|'), ('configs/supernet', 'configs/search')):
            for name in re.findall(r'`([\w./]+\.py)`', cell):
                assert (ROOT / name if '/' in name else ROOT / folder / name).exists(), name
                found += 1
    assert found > 8


@pytest.mark.parametrize('page', pages())
def test_commands(page: Path) -> None:
    for line in shell_lines(page.read_text(encoding='utf-8')):
        for part in line.split('&&'):
            check(shlex.split(part))


@pytest.mark.parametrize('page', pages())
def test_python(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks run, one after another; those that say why they cannot are compiled."""
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    text = page.read_text(encoding='utf-8')
    for found in re.finditer(r'(?:^([^\n]*)\n+)?```python\n(.*?)```', text, re.M | re.S):
        code = compile(found[2], str(page), 'exec')
        if not (found[1] or '').startswith(UNRUN):
            exec(code, names)


@pytest.mark.parametrize('page', NOTEBOOKS, ids=lambda page: page.stem)
def test_notebooks(page: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Their cells run, and show what is stored beside them; pictures are only made."""
    monkeypatch.chdir(page.parent)
    monkeypatch.setattr('matplotlib.pyplot.subplots', lambda **_: (None, Figure().subplots()))
    names: dict = {}
    for cell in json.loads(page.read_text(encoding='utf-8'))['cells']:
        if cell['cell_type'] != 'code':
            continue
        *body, last = ast.parse(''.join(cell['source'])).body
        value = None
        if isinstance(last, ast.Expr):
            exec(compile(ast.Module(body, []), str(page), 'exec'), names)
            value = eval(compile(ast.Expression(last.value), str(page), 'eval'), names)
        else:
            exec(compile(ast.Module([*body, last], []), str(page), 'exec'), names)
        assert cell['outputs'], 'run the notebook: jupyter execute --inplace'
        for output in cell['outputs']:
            found, data = capsys.readouterr().out, output.get('data', {})
            if output['output_type'] == 'stream':
                assert found == ''.join(output['text'])
            elif not any(kind.startswith('image/') for kind in data):
                assert repr(value).split() == ''.join(data['text/plain']).split()
            if 'text/html' in data:
                assert value._repr_html_() == ''.join(data['text/html'])


def test_the_readme_is_short() -> None:
    assert len((ROOT / 'README.md').read_text(encoding='utf-8').splitlines()) <= 150


@pytest.mark.parametrize('page', [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md'], ids=str)
def test_links_of_what_is_no_page_of_the_site(page: Path) -> None:
    for target in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', page.read_text(encoding='utf-8')):
        assert (ROOT / target).exists(), target


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip('myst_nb', reason='the site needs the extra docs, Python 3.11 and later')
    command = [sys.executable, '-m', 'sphinx', '-q', '-W', '--keep-going', '-E', '-b', 'html']
    done = subprocess.run(
        [*command, ROOT / 'docs', tmp_path], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
