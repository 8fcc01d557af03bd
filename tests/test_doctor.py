"""The doctor as its users meet it: a command, also where packages are missing."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nasvit_mm
from nasvit_mm import doctor
from nasvit_mm.compat import tested
from nasvit_mm.errors import UsageError

ROOT = Path(nasvit_mm.__file__).resolve().parents[1]
HAS_MMSEG = importlib.util.find_spec('mmseg') is not None
NAMES = {'segmentation', 'detection', 'compiled ops', 'GPU', 'distributed', 'search', 'export'}

# Runs at the start of the doctor's interpreter and makes packages look uninstalled.
BLOCKER = """
import sys
from importlib import abc, metadata

MODULES, DISTRIBUTIONS = {modules!r}, {distributions!r}
version = metadata.version

class Blocker(abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in MODULES:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

def blocked_version(name):
    if name in DISTRIBUTIONS:
        raise metadata.PackageNotFoundError(name)
    return version(name)

sys.meta_path.insert(0, Blocker())
metadata.version = blocked_version
"""


def run_doctor(*args: str, folder: Path | None = None) -> subprocess.CompletedProcess:
    path = [str(folder)] if folder else []
    return subprocess.run(
        [sys.executable, '-m', 'nasvit_mm.doctor', *args],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join([*path, str(ROOT)])},
    )


def block(folder: Path, *modules: str) -> Path:
    distributions = tuple(d for module in modules for d in doctor.PACKAGES.get(module, ()))
    code = BLOCKER.format(modules=modules, distributions=distributions)
    (folder / 'sitecustomize.py').write_text(code)
    return folder


@pytest.mark.skipif(not HAS_MMSEG, reason='needs mmseg')
@pytest.mark.timeout(300)
def test_json_of_a_working_environment():
    done = run_doctor('--json')
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)  # nothing but JSON on standard output
    capabilities = {c['name']: c for c in report['capabilities']}
    assert set(capabilities) == NAMES
    assert capabilities['segmentation']['works'] and capabilities['compiled ops']['works']
    assert capabilities['distributed']['works'] and 'gloo' in capabilities['distributed']['detail']
    assert all(c['fix'] for c in report['capabilities'] if not c['works'])
    packages = {p['name']: p for p in report['packages']}
    assert packages['torch']['tested'] == tested.versions().get('torch')
    assert len(packages['mmseg']['installed']) == 1


@pytest.mark.timeout(300)
def test_a_missing_package_is_a_finding_with_its_command(tmp_path):
    done = run_doctor(folder=block(tmp_path, 'mmseg', 'pymoo'))
    assert done.returncode == 1
    assert 'Traceback' not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    row = next(i for i, line in enumerate(lines) if line.startswith('segmentation'))
    assert 'does not' in lines[row] and "No module named 'mmseg" in lines[row]
    assert 'mend: pip install' in lines[row + 1] and 'mmsegmentation' in lines[row + 1]
    assert f'mend: pip install {tested.pinned("pymoo")}' in done.stdout


@pytest.mark.timeout(120)
def test_nothing_installed_at_all(tmp_path):
    """Only numpy stays, which nasvit_mm itself imports."""
    missing = [name for name in doctor.PACKAGES if name != 'numpy']
    done = run_doctor('--json', folder=block(tmp_path, *missing))
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    report = json.loads(done.stdout)
    assert not any(c['works'] for c in report['capabilities'])
    assert all(c['fix'].startswith('pip install ') for c in report['capabilities'])


@pytest.mark.parametrize(
    'error, command',
    [
        (
            ImportError('libGL.so.1: cannot open shared object file'),
            'pip install --force-reinstall --no-deps opencv-python-headless',
        ),
        (
            RuntimeError('operator torchvision::nms does not exist'),
            'pip install --force-reinstall torch',
        ),
        (ModuleNotFoundError("No module named 'yaml'", name='yaml'), 'pip install pyyaml'),
        (ValueError('never seen'), ''),
    ],
)
def test_known_failures_have_their_command(error, command):
    found = doctor._command(error)
    assert found.startswith(command) and bool(found) == bool(command)


def test_two_distributions_of_one_import_name_are_a_finding(monkeypatch):
    both = {'onedl-mmcv': '2.3.6', 'mmcv-lite': '2.1.0'}
    monkeypatch.setattr(doctor, '_version', both.get)
    mmcv = next(p for p in doctor.find_packages() if p.name == 'mmcv')
    assert mmcv.installed == both
    assert mmcv.fix.startswith('pip uninstall -y onedl-mmcv mmcv-lite && pip install onedl-mmcv')


def test_the_mending_command_stays_in_the_family(monkeypatch):
    monkeypatch.setattr(doctor, '_version', {'mmengine': '0.11.0rc3'}.get)
    error = ModuleNotFoundError("No module named 'mmseg'", name='mmseg')
    assert doctor._command(error) == 'pip install mmsegmentation'


def test_all_absent_packages_are_named_in_one_go(monkeypatch):
    monkeypatch.setattr(doctor, '_is_absent', {'onnxruntime', 'onnxscript'}.__contains__)
    error = ModuleNotFoundError("No module named 'onnxscript'", name='onnxscript')
    command = doctor._command(error, ('onnx', 'onnxscript', 'onnxruntime'))
    assert command == f'pip install {tested.pinned("onnxscript", "onnxruntime")}'


@pytest.mark.skipif(not HAS_MMSEG, reason='needs mmseg')
def test_the_operations_of_a_config(monkeypatch):
    config = 'configs/demo/nasvit_demo.py'
    works, detail, _ = doctor._operations_of(config)
    assert works and config in detail

    def lacks(cfg):
        raise UsageError('psamask_forward (model.decode_head: PSAHead): compile it')

    monkeypatch.setattr(doctor, 'check_operations', lacks)
    found = doctor._try('operations', lambda: doctor._operations_of(config), ())
    assert not found.works and 'psamask_forward' in found.detail


def test_what_runs_is_said_of_the_device(monkeypatch):
    """Compiling is proposed only where it helps."""
    lacking = {'CLRHead': {'line_nms_forward'}}
    monkeypatch.setattr(doctor, 'modules_without', lambda device: lacking)
    monkeypatch.setattr(doctor, 'is_stand_in', lambda module: True)
    for device, helps in (('cpu', False), ('cuda', True)):
        monkeypatch.setattr('mmengine.device.get_device', lambda device=device: device)
        works, detail, fix = doctor._compiled_ops()
        assert works and 'but CLRHead (line_nms_forward)' in detail
        assert bool(fix) == helps != ('does not change' in detail)
    lacking.clear()
    _, detail, fix = doctor._compiled_ops()
    assert detail.endswith('all modules of mmdet and mmseg run here') and not fix
