"""Reading a config: what is no config is told in a line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import read_config


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('a.py', "_base_ = 'nowhere.py'", r'a\.py: .*nowhere\.py'),
        ('a.py', 'model = (', r'a\.py.*: .*never closed'),
        ('a.pth', '', r'a\.pth: \.pth: expected a \.py'),
        ('a.py', "custom_imports = dict(imports='no_such')", r"'no_such'; start the command"),
    ],
    ids=['base', 'syntax', 'suffix', 'imports'],
)
def test_what_is_no_config_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        read_config(tmp_path / name)


def test_a_mistake_in_an_imported_module_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'found_but_broken.py').write_text('import no_such_thing')
    (tmp_path / 'a.py').write_text("custom_imports = dict(imports='found_but_broken')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match='found_but_broken.*no_such_thing'):
        read_config(tmp_path / 'a.py')


@pytest.mark.parametrize('given', ['option', 'mapping'])
def test_modules_of_options_are_imported(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f'of_an_{given}.py').write_text('')
    (tmp_path / 'a.py').write_text('')
    monkeypatch.syspath_prepend(tmp_path)
    imports = dict(imports=[f'of_an_{given}'])
    if given == 'option':
        read_config(tmp_path / 'a.py', dict(custom_imports=imports))
    else:
        read_config(dict(custom_imports=imports))
    assert f'of_an_{given}' in sys.modules
    with pytest.raises(UsageError, match=r"custom_imports: .*'no_such'; start the command"):
        read_config(tmp_path / 'a.py', {'custom_imports.imports': ['no_such']})


def test_an_entry_of_a_list_is_not_overridden_alone() -> None:
    cfg, options = dict(model=dict(in_channels=[8, 16])), {'model.in_channels.0': 4}
    with pytest.raises(UsageError, match=r"give the whole list, model\.in_channels='\[\.\.\.\]'"):
        read_config(cfg, options)
