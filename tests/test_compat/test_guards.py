"""Names that mmseg and mmdet could not import before ``import nasvit_mm``."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from nasvit_mm.compat.guards import mend_guards

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

SOURCE = """
class Fallback:
    pass

try:
    from mmcv.ops import point_sample as sample, RoIPool
except ModuleNotFoundError:
    sample = RoIPool = None
try:
    from mmdet.models.dense_heads import FCOSHead
except ImportError:
    FCOSHead = Fallback

class Head(FCOSHead):
    pass
"""


@pytest.fixture
def module(tmp_path, monkeypatch) -> ModuleType:
    """A module of mmseg that was imported where mmcv.ops could not be."""
    path = tmp_path / 'own_head.py'
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location('mmseg.own_head', path)
    module = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'mmdet.models.dense_heads', None)
        patch.setitem(sys.modules, 'mmcv.ops', None)
        spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_names_and_bases_are_found_afterwards(module, monkeypatch):
    import mmcv.ops
    from mmdet.models.dense_heads import FCOSHead

    assert module.sample is module.RoIPool is None and module.Head.__base__ is module.Fallback
    monkeypatch.delitem(sys.modules, 'mmcv.ops')  # as if its import had failed
    mend_guards()
    assert (module.sample, module.RoIPool) == (mmcv.ops.point_sample, mmcv.ops.RoIPool)
    assert module.FCOSHead is FCOSHead is module.Head.__base__


def test_nothing_is_touched_where_the_operations_were_there(module):
    import mmcv.ops  # noqa: F401

    mend_guards()
    assert module.sample is None
