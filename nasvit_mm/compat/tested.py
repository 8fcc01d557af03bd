"""The tested versions, read from `tested.txt` beside this file.

Standard library only: setup.py runs this file by its path, before anything is installed, and the
doctor runs it where packages are missing.
"""

from __future__ import annotations

import operator
import re
import sys
from pathlib import Path

TESTED_FILE = Path(__file__).with_name('tested.txt')

_SECTION = re.compile(r'#\s*\[(\w+)\]\s*$')
_MARKER = re.compile(r'python_version\s*(<|>=)\s*"(\d+)\.(\d+)"\s*$')
_COMPARE = {'<': operator.lt, '>=': operator.ge}


def sections() -> dict[str, list[str]]:
    """Return the requirement lines of every section, markers included: `{'base': ['torch==...']}`.

    Raises:
        ValueError: a requirement stands before the first `# [section]` line.
    """
    found: dict[str, list[str]] = {}
    lines = None
    for text in TESTED_FILE.read_text(encoding='utf-8').splitlines():
        text = text.strip()
        if header := _SECTION.match(text):
            lines = found.setdefault(header.group(1), [])
        elif text and not text.startswith('#'):
            if lines is None:
                raise ValueError(f'{TESTED_FILE}: {text!r} stands before the first "# [section]"')
            lines.append(text)
    return found


def versions() -> dict[str, str]:
    """Return `{distribution: version}` for the Python that runs, all sections together.

    Raises:
        ValueError: a line is not `name==version`, or its marker is not a comparison of
            python_version by `<` or `>=`.
    """
    return dict(_parse(line) for lines in sections().values() for line in lines if _applies(line))


def pinned(*names: str) -> str:
    """Return the pins of `names` as pip's arguments, `'torch==2.11.0 torchvision==0.26.0'`.

    A name with no pin is returned bare.
    """
    known = versions()
    return ' '.join(f'{name}=={known[name]}' if name in known else name for name in names)


def _parse(line: str) -> tuple[str, str]:
    name, separator, version = line.partition(';')[0].strip().partition('==')
    if not separator:
        raise ValueError(f'{TESTED_FILE}: {line!r} is not of the form name==version')
    return name, version


def _applies(line: str) -> bool:
    _, separator, marker = line.partition(';')
    if not separator:
        return True
    match = _MARKER.match(marker.strip())
    if match is None:
        raise ValueError(
            f'{TESTED_FILE}: marker {marker.strip()!r}; allowed: python_version '
            'with < or >= and one "major.minor"'
        )
    sign, major, minor = match.groups()
    return _COMPARE[sign](sys.version_info[:2], (int(major), int(minor)))
