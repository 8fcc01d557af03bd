"""What is installed: configs and tools in the wheel, found from anywhere, by mmengine too."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import nasvit_mm
from nasvit_mm.config import find_config

ROOT = Path(nasvit_mm.__file__).resolve().parents[1]
CONFIG = 'seg/nasvit_camvid.py'

spec = importlib.util.spec_from_file_location('write_zoo', ROOT / 'docs/write_zoo.py')
write_zoo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(write_zoo)


def python(folder: Path, *command: str | Path, path: Path = ROOT) -> str:
    env = dict(os.environ, CUDA_VISIBLE_DEVICES='', PYTHONPATH=str(path))
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, cwd=folder, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize('path', write_zoo.written(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_written_of_the_configs_is_current(path: Path) -> None:
    text = write_zoo.written()[path]
    assert path.read_text(encoding='utf-8') == text, 'run python docs/write_zoo.py'


@pytest.mark.parametrize('name', [CONFIG, f'configs/{CONFIG}', f'nasvit_mm::{CONFIG}'])
def test_a_config_is_found_from_anywhere(name, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(name).resolve() == ROOT / 'configs' / CONFIG


def test_no_two_configs_have_one_name() -> None:
    """mim looks for the name alone, in all folders, and refuses one that is there twice."""
    names = Counter(path.name for path in (ROOT / 'configs').rglob('*.py'))
    assert [name for name, number in names.items() if number > 1] == []


def test_a_supernet_is_found_by_the_name_of_its_task() -> None:
    assert find_config('supernet/nasvit_ade20k.py').stem == 'nasvit_ade20k_supernet'
    assert find_config('supernet/no_such.py') == Path('supernet/no_such.py')


def test_a_file_of_the_user_comes_first(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = Path('configs', CONFIG)
    own.parent.mkdir(parents=True)
    own.touch()
    assert find_config(own) == own


BASE = f"""
import nasvit_mm
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
cfg = Config.fromfile('own.py')
assert get_config('nasvit_mm::{CONFIG}').model.backbone.arch == 'nasvit_min'
init_default_scope(cfg.default_scope)
print(MODELS.build(cfg.model).decode_head.num_classes)
"""


@pytest.mark.slow
def test_a_base_of_this_package(tmp_path) -> None:
    """mmengine itself finds it, and its types in the scope that the config names."""
    (tmp_path / 'own.py').write_text(
        f"_base_ = 'nasvit_mm::{CONFIG}'\nmodel = dict(decode_head=dict(num_classes=5))\n"
    )
    assert python(tmp_path, '-c', BASE).splitlines()[-1] == '5'


@pytest.mark.slow
def test_the_wheel_is_enough(tmp_path) -> None:
    """Built, installed without the checkout, and used in an empty folder."""
    wheels, site, empty = (tmp_path / name for name in ('wheels', 'site', 'empty'))
    empty.mkdir()
    pip = ('-m', 'pip', '--disable-pip-version-check')
    python(tmp_path, *pip, 'wheel', '-q', '--no-deps', '-w', wheels, ROOT)
    (wheel,) = wheels.glob('*.whl')
    python(tmp_path, *pip, 'install', '-q', '--no-deps', '--target', site, wheel)
    inside = site / 'nasvit_mm/.mim'
    assert (inside / 'model-index.yml').is_file() and (inside / 'tools/train.py').is_file()
    assert (site / 'nasvit_mm/py.typed').is_file() and not (inside / 'tools').is_symlink()
    found = python(empty, '-m', 'nasvit_mm.cli', 'flops', CONFIG, path=site)
    assert '1.21' in found
    # As mim runs it: by the only file of that name in the package.
    (config,) = (site / 'nasvit_mm').rglob(Path(CONFIG).name)
    help_ = python(empty, inside / 'tools/train.py', config, '--help', path=site)
    assert '--resume' in help_
