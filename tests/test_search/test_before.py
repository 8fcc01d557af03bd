"""Archives written before costs were sources and evaluators several: they resume, byte for byte.

They were written by commit 12c3177, out of the configs beside them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from nasvit_mm.search import Archive, read_search, search

BEFORE = Path(__file__).with_name('before')


@pytest.mark.parametrize('name', ['evaluated', 'costs'])
def test_an_archive_of_before_resumes(name, tmp_path):
    config, whole = BEFORE / f'{name}.py', (BEFORE / f'{name}.jsonl').read_bytes()
    begun = whole.splitlines(keepends=True)[:4]
    (tmp_path / 'archive.jsonl').write_bytes(b''.join(begun) + b'{"index":3,"gen')  # a kill
    plan = read_search(Config.fromfile(config), config)
    archive = Archive.open(tmp_path, plan.identity, resume=True)
    search(plan.problem, plan.algorithm, archive, plan.evaluators)
    assert (tmp_path / 'archive.jsonl').read_bytes() == whole


def test_a_new_archive_is_written_as_before(tmp_path):
    config = BEFORE / 'costs.py'
    plan = read_search(Config.fromfile(config), config)
    search(plan.problem, plan.algorithm, Archive.open(tmp_path, plan.identity))
    whole = (BEFORE / 'costs.jsonl').read_bytes()
    assert (tmp_path / 'archive.jsonl').read_bytes() == whole
