"""Configs as data."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from nasvit_mm.config import add_own_hooks, parsed_config
from nasvit_mm.errors import UsageError

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    'path', ['seg/nasvit_ade20k', 'det/vitas_coco_mask', 'supernet/elasticvit_in1k_supernet']
)
def test_a_dumped_config_is_read_as_data(path):
    cfg = Config.fromfile(ROOT / f'configs/{path}.py')
    executed = Config.fromstring(cfg.pretty_text, '.py')
    assert parsed_config(cfg.pretty_text).to_dict() == executed.to_dict()


@pytest.mark.parametrize(
    'text',
    [
        "a = __import__('os').system('touch here')",
        'import os\na = 1',
        'a = [x for x in range(3)]',
        'a = dict([(1, 2)])',
        'def f():\n    pass',
        'a = b = 1',
        'a = (',
        'a = {**{}}',
    ],
)
def test_what_is_not_data_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match='config text'):
        parsed_config(text)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'text',
    [
        "model = dict(type='subprocess.getoutput', cmd='touch here')",
        "model = dict(heads=[dict(type='mmengine.load', file='some.pkl')])",
        "model = dict(type='mmengine.config.Config')",
        "default_scope = 'somewhere'",
        "model = dict(_scope_='somewhere', type='SegformerHead')",
    ],
)
def test_a_type_that_mmengine_would_import_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r'config text has (type|default_scope|_scope_) = '):
        parsed_config(text)


def test_hooks_of_no_kind_are_left_to_the_one_who_builds_them() -> None:
    """Which says what is wrong with them; the model's own come first."""
    hooks = [dict(type=dict(type=None)), 5, {}]
    cfg = Config(dict(model=dict(type='nasvit_mm.Supernet'), custom_hooks=hooks))
    add_own_hooks(cfg)
    assert cfg.custom_hooks == [dict(type='nasvit_mm.SupernetState'), *hooks]
