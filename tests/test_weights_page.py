"""docs/weights.md is what the data says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from nasvit_mm import list_models

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = runpy.run_path(str(ROOT / 'benchmarks' / 'weights_page.py'), run_name='page')


def test_it_is_current() -> None:
    written = SCRIPT['PAGE'].read_text(encoding='utf-8')
    assert written == SCRIPT['page'](), 'python benchmarks/weights_page.py writes it anew'


def test_it_has_every_model_with_weights() -> None:
    rows = re.findall(r'^\| `(.+?)` \|', SCRIPT['page'](), re.M)
    assert rows == list_models(pretrained=True)


@pytest.mark.parametrize('page', ['weights.md', 'guides/make_supernet.md'])
def test_its_links_lead_to_files(page: str) -> None:
    path = ROOT / 'docs' / page
    text = path.read_text(encoding='utf-8')
    linked = re.findall(r'\]\((?!https)([^)#]+)\)', text)
    assert linked
    assert [name for name in linked if not (path.parent / name).exists()] == []
