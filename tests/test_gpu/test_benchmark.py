"""The script of one session on a GPU: what is done is kept, and it runs on a CPU in small form."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import ROOT

SCRIPT = ROOT / 'benchmarks' / 'gpu.py'


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module('gpu')


def test_a_part_that_fails_is_a_line_and_is_tried_again(script, tmp_path, monkeypatch) -> None:
    """What was found before stays in the file, and is not looked for anew."""
    out, asked, whole = tmp_path / 'gpu.json', [], []

    def good(bench):
        asked.append('good')
        yield 'one', 1

    def bad(bench):
        asked.append('bad')
        yield 'two', 2
        assert json.loads(out.read_text())['parts']['bad']['rows'] == dict(two=2)
        if not whole:
            raise RuntimeError('no such kernel\nin this card')
        yield 'three', 3

    monkeypatch.setattr(script, 'PARTS', dict(bad=(9, bad), good=(9, good)))
    bench = script.Bench('cpu', small=True)
    script.run_parts(bench, script.PARTS, out)
    parts = json.loads(out.read_text())['parts']
    assert parts['bad']['rows']['failed'] == 'RuntimeError: no such kernel' and asked == [
        'bad',
        'good',
    ]
    assert parts['good']['done'] and not parts['bad']['done']
    whole.append(True)
    found = script.run_parts(bench, script.PARTS, out)
    assert asked == ['bad', 'good', 'bad'] and found == json.loads(out.read_text())
    assert found['parts']['bad']['rows'] == dict(two=2, three=3)
    assert script.table_of(found).row_count == 3


def test_a_part_is_left_when_its_time_is_over(script, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(script, 'PARTS', dict(long=(0, lambda bench: iter([('a', 1), ('b', 2)]))))
    bench = script.Bench('cpu', small=False)
    rows = script.run_parts(bench, ['long'], tmp_path / 'gpu.json')['parts']['long']['rows']
    assert rows == dict(a=1, left='after 0 s')


def test_all_parts_take_eight_minutes_at_most(script) -> None:
    assert sum(seconds for seconds, _ in script.PARTS.values()) <= 8 * 60


@pytest.mark.slow
def test_every_part_runs_on_a_cpu_in_small_form(tmp_path: Path) -> None:
    out = tmp_path / 'gpu.json'
    done = subprocess.run(
        [sys.executable, SCRIPT, '--small', '--device', 'cpu', '--out', out],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    parts = json.loads(out.read_text())['parts']
    assert all(part['done'] for part in parts.values()), parts
    assert parts['resume']['rows']['equal bits, deterministic=True']
    assert all(name in done.stdout for name in parts)
