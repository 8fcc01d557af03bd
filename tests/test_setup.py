"""Pins live in one place, and what setup.py reads is light."""

import re
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

import nasvit_mm
from nasvit_mm.compat import tested

ROOT = Path(nasvit_mm.__file__).resolve().parents[1]

if not (ROOT / 'setup.py').exists():
    pytest.skip('an installed package has no setup.py', allow_module_level=True)


@pytest.fixture(scope='module')
def options() -> dict:
    """The arguments that setup.py hands to setuptools."""
    setuptools = pytest.importorskip('setuptools')
    with mock.patch.object(setuptools, 'setup') as setup:
        runpy.run_path(str(ROOT / 'setup.py'))
    return setup.call_args.kwargs


def test_every_pin_is_exact_and_written_once():
    lines = [line for section in tested.sections().values() for line in section]
    assert len(set(lines)) == len(lines)
    assert all(re.match(r'[\w.-]+==[\w.]+(; python_version (<|>=) "3\.\d+")?$', x) for x in lines)
    assert {'torch', 'torchvision', 'onedl-mmcv', 'pymoo', 'pytest'} <= set(tested.versions())


def test_no_other_file_repeats_a_pin():
    pins = [line.partition(';')[0] for lines in tested.sections().values() for line in lines]
    files = [ROOT / name for name in ('setup.py', 'pyproject.toml', 'Makefile')]
    for path in [*files, *(ROOT / 'requirements').glob('*.txt')]:
        text = path.read_text()
        assert not [pin for pin in pins if pin in text], path


def test_extras_are_the_tested_pins(options):
    extras, sections = options['extras_require'], tested.sections()
    assert set(extras) == {'onedl', 'openmmlab', 'search', 'export', 'dev'}
    for name in ('onedl', 'search', 'export', 'dev'):
        assert extras[name] == sections[name]


def test_the_plain_install_leaves_an_environment_alone(options):
    required = options['install_requires']
    assert 'torch>=2.1' in required
    assert not [r for r in required if r.startswith(('mm', 'onedl'))], 'no mm package'
    assert not [r for r in required if re.search('<|==|~=', r)], 'no upper bound'


def test_version_and_package_data(options):
    from nasvit_mm.version import __version__

    assert options['version'] == __version__ == nasvit_mm.__version__
    assert 'nasvit_mm.compat' in options['packages']
    assert options['package_data']['nasvit_mm.compat'] == [tested.TESTED_FILE.name]


def test_reading_the_version_loads_no_torch():
    code = 'import sys, nasvit_mm.version; print("torch" in sys.modules, "mmcv" in sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ['False', 'False'], done.stderr


def test_markers_choose_by_python(monkeypatch):
    monkeypatch.setattr(sys, 'version_info', (3, 10, 0))
    old = tested.versions()['onnxruntime']
    monkeypatch.setattr(sys, 'version_info', (3, 12, 0))
    new = tested.versions()['onnxruntime']
    assert old != new
    assert tested.pinned('onnxruntime', 'unknown') == f'onnxruntime=={new} unknown'


@pytest.mark.parametrize(
    'text, message',
    [
        ('torch==2.0', 'before the first'),
        ('# [base]\ntorch>=2.0', 'name==version'),
        ('# [base]\ntorch==2.0; sys_platform == "linux"', 'allowed: python_version'),
    ],
)
def test_a_line_of_another_form_is_named(monkeypatch, tmp_path, text, message):
    path = tmp_path / 'tested.txt'
    path.write_text(text)
    monkeypatch.setattr(tested, 'TESTED_FILE', path)
    with pytest.raises(ValueError, match=message):
        tested.versions()
