"""What pyproject.toml promises: pins in one place, a plain install that leaves torch alone."""

import fnmatch
import re
import subprocess
import sys
from email import message_from_string
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import nasvit_mm
from nasvit_mm.compat import tested

try:
    import tomllib
except ImportError:  # Python 3.10, where pytest brings it
    import tomli as tomllib

ROOT = Path(nasvit_mm.__file__).resolve().parents[1]

if not (ROOT / 'pyproject.toml').exists():
    pytest.skip('an installed package has no pyproject.toml', allow_module_level=True)

PYPROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))
PROJECT = PYPROJECT['project']
EXTRAS = PROJECT['optional-dependencies']
PINNED = {'onedl', 'search', 'export', 'deploy', 'docs', 'dev', 'tested'}
APART = {'mobile'}  # pinned too; not in the tested environment, for its size


def test_every_pin_is_exact_and_written_once():
    assert set(EXTRAS) == PINNED | APART | {'openmmlab'}
    lines = [
        line for name in PINNED | APART for line in EXTRAS[name] if not line.startswith('nasvit_mm')
    ]
    assert len(set(lines)) == len(lines)
    assert all(
        re.fullmatch(r"[\w.-]+==[\w.]+(; python_version (<|>=) '3\.\d+')?", x) for x in lines
    )


def test_one_extra_is_the_tested_environment():
    pinned = {Requirement(line).name for name in PINNED for line in EXTRAS[name]}
    assert {Requirement(line).name for line in PROJECT['dependencies']} <= pinned
    (others,) = (r for r in map(Requirement, EXTRAS['tested']) if r.name == 'nasvit_mm')
    assert others.extras == PINNED - {'tested'}


def test_the_plain_install_leaves_an_environment_alone():
    required = PROJECT['dependencies']
    assert 'torch>=2.1' in required
    assert not [r for r in required if r.startswith(('mm', 'onedl'))], 'no mm package'
    assert not [r for r in required if re.search('<|==|~=', r)], 'no upper bound'


def test_every_data_file_of_the_package_is_installed():
    given = PYPROJECT['tool']['setuptools']['package-data']
    patterns = [*given['*'], *given['nasvit_mm']]
    data = [p for p in Path(nasvit_mm.__file__).parent.rglob('*') if p.is_file()]
    data = [p for p in data if p.suffix not in ('.py', '.pyc')]
    assert 'zoo.json' in {p.name for p in data}
    for path in data:
        if '.mim' in path.parts:  # links; tests/test_package.py looks into the wheel
            continue
        assert (path.parent / '__init__.py').exists(), f'{path} lies in no package'
        assert any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns), path


def test_reading_the_version_loads_no_torch():
    code = 'import sys, nasvit_mm.version; print("torch" in sys.modules, "mmcv" in sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ['False', 'False'], done.stderr


def test_pins_are_those_of_the_extras_for_this_python(monkeypatch):
    text = """
        Provides-Extra: one
        Provides-Extra: two
        Requires-Dist: torch>=2.1
        Requires-Dist: torch==2.9; extra == "one"
        Requires-Dist: onnx==1.1; python_version < "3.0" and extra == "two"
        Requires-Dist: onnx==1.2; python_version >= "3.0" and extra == "two"
        Requires-Dist: mmdet>=3.3; extra == "two"
    """
    package = message_from_string('\n'.join(map(str.strip, text.strip().splitlines())))
    monkeypatch.setattr(metadata, 'metadata', {'nasvit_mm': package}.get)
    assert tested.versions() == {'torch': '2.9', 'onnx': '1.2'}
    assert tested.pinned('onnx', 'unknown') == 'onnx==1.2 unknown'


def test_a_checkout_that_is_not_installed_has_no_pins(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, 'metadata', absent)
    assert tested.versions() == {}
