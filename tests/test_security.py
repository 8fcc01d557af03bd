"""What SECURITY.md says is tested has its tests."""

from __future__ import annotations

import re

from tests.commands import ROOT


def test_the_tests_that_it_names_exist() -> None:
    text = (ROOT / 'SECURITY.md').read_text(encoding='utf-8')
    named = re.findall(r'`(tests/[\w/]+\.py)(?:::(test_\w+))?`', text)
    assert len(named) > 10
    missing = [
        f'{file}::{test}'
        for file, test in named
        if not (ROOT / file).is_file()
        or not re.search(rf'^ *def {test or "test_"}', (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert not missing
