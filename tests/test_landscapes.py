"""The landscapes that benchmarks/landscapes/fit.py makes of archives, and what reads archives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from nasvit_mm.search import Search
from nasvit_mm.spaces import Space
from tests.commands import ROOT
from tests.families import small

sys.path.insert(0, str(ROOT / 'benchmarks'))
import _runs  # noqa: E402
from landscapes import fit  # noqa: E402

SPACE: Space = small('nasvit')
OBJECTIVES = [dict(metric='macs', goal='min'), dict(metric='loss', goal='min')]


def record(index: int, **more) -> dict:
    genes = SPACE.sample_genes(index, 1)
    arch = SPACE.from_genes(genes)[0].to_dict()
    found = dict(index=index, generation=0, arch=arch, costs=dict(macs=1.0 + index), metrics={})
    return found | more


def archive(folder: Path, records: list[dict]) -> Path:
    identity = dict(space=SPACE.to_dict(), objectives=OBJECTIVES)
    text = ''.join(json.dumps(line) + '\n' for line in [identity, *records])
    (folder / 'archive.jsonl').write_text(text)
    return folder


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    """An archive with another metric before the objective, and candidates that have none."""
    whole = [record(i, metrics=dict(other=0.5, loss=float(len(str(i)) + i % 3))) for i in range(40)]
    stopped = record(40, looks=[dict(loss=9.0)], stopped='behind the others')
    failed = record(41, metrics=dict(other=0.5), failed='loss = nan')
    return archive(tmp_path, [*whole, stopped, failed])


def test_a_landscape_is_of_the_objective_within_its_range(
    searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minimised one is turned around; far from the candidates it is not extrapolated."""
    objective, records = fit.measured(Search.load(searched))
    assert objective['metric'] == 'loss' and len(records) == 40
    monkeypatch.setattr(fit, 'HERE', tmp_path)
    monkeypatch.setattr(sys, 'argv', ['fit.py', 'found', 'a test', *[str(searched)] * 2])
    fit.main()
    found, metric = fit.landscape(tmp_path / 'found.json')
    assert found['candidates'] == 40  # what both archives hold counts once
    assert found['range'] == [-4.0, -1.0] and found['noise'] > 0
    found['weights'] = [50.0 * w for w in found['weights']]
    (tmp_path / 'steep.json').write_text(json.dumps(found))
    values = fit.landscape(tmp_path / 'steep.json')[1](SPACE.sample_genes(7, 500))
    assert values.min() == -4 and values.max() == -1
    (tmp_path / 'old.json').write_text(json.dumps({k: found[k] for k in found if k != 'range'}))
    with pytest.raises(SystemExit, match='has no range: fit it again'):
        fit.landscape(tmp_path / 'old.json')


def test_candidates_without_metrics_are_no_candidates(searched: Path) -> None:
    assert np.array([r['metrics']['loss'] for r in _runs.candidates(searched)]).shape == (40,)
