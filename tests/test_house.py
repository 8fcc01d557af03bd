"""The rooms import one way, as CONTRIBUTING.md says, and speak one language."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'nasvit_mm'
ROOMS = [
    room.rstrip('/').removesuffix('.py')
    for room in re.findall(
        r'^\| `nasvit_mm/([\w.]+/?)` \|',
        (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8'),
        re.M,
    )
]


def imported(path: Path) -> set[str]:
    """Rooms of this package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = (
                [f'{node.module}.{a.name}' for a in node.names]
                if node.module == 'nasvit_mm'
                else [node.module]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split('.')[1] for name in names if name.startswith('nasvit_mm.')}
    return found


def test_the_table_names_every_room() -> None:
    there = {p.name for p in PACKAGE.iterdir() if p.is_dir() and (p / '__init__.py').exists()}
    assert there <= set(ROOMS) and len(set(ROOMS)) == len(ROOMS)


@pytest.mark.parametrize('room', ROOMS)
def test_imports_only_from_above(room: str) -> None:
    allowed = {*ROOMS[: ROOMS.index(room) + 1], 'version'}
    files = sorted((PACKAGE / room).rglob('*.py')) or [PACKAGE / f'{room}.py']
    for path in files:
        assert imported(path) <= allowed, path


def test_nothing_imports_the_tools() -> None:
    for path in PACKAGE.rglob('*.py'):
        text = path.read_text(encoding='utf-8')
        assert not re.search(r'^\s*(import tools|from tools)', text, re.M), path


@pytest.mark.parametrize('path', sorted(PACKAGE.rglob('*.py')), ids=lambda p: p.stem)
def test_what_registers_itself_is_imported_by_its_rooms_door(path: Path) -> None:
    """A registry imports doors: what a door leaves out is unknown by its name."""
    text = path.read_text(encoding='utf-8')
    if path.name in ('__init__.py', 'registry.py') or 'register_module(' not in text:
        return
    name = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    doors = [d.read_text(encoding='utf-8') for d in PACKAGE.rglob('__init__.py')]
    assert any(f'from {name} import' in door for door in doors)


# A docstring that begins with one of these continues the function's name; help() needs a sentence.
CONTINUATIONS = (
    r'Of|As|In|On|At|By|To|From|For|With|Without|Between|Before|After|Beside|Inside|Through|Whether|'
    r'What|Which|Where|When|How|Who\w*|Those|These|That|This|It|All|Every|Each|The|An?|One|Told'
)


def test_docstrings_of_functions_are_sentences() -> None:
    for path in PACKAGE.rglob('*.py'):
        place = path.relative_to(PACKAGE)
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                text = ast.get_docstring(node) or 'Return nothing.'
                sentence = text[0].isupper() and not re.match(rf'(?:{CONTINUATIONS})\b', text)
                assert sentence, f'{place}:{node.lineno}: {text.splitlines()[0]}'


def test_no_files_need_each_other() -> None:
    """Two files that import each other, over whatever detour, are one idea cut wrongly."""
    files = {'.'.join(p.relative_to(ROOT).with_suffix('').parts): p for p in PACKAGE.rglob('*.py')}
    arrows: dict[str, set[str]] = {}
    for name, path in files.items():
        if path.name == '__init__.py':
            continue  # a door hands names on
        tree = ast.parse(path.read_text(encoding='utf-8'))
        modules = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
        arrows[name] = {module for module in modules if module in files}
    left = dict(arrows)
    while ends := [name for name, to in left.items() if not to & set(left)]:
        for name in ends:
            del left[name]
    assert not left, f'files that import each other: {", ".join(sorted(left))}'


def test_no_benchmark_is_called_as_a_package_is() -> None:
    """Beside a script it would be imported instead."""
    taken = {*packages_distributions(), *sys.stdlib_module_names}
    names = {path.stem for path in (ROOT / 'benchmarks').iterdir() if path.suffix in ('', '.py')}
    assert len(names) > 10
    assert not names & taken
