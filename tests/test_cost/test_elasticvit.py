"""ElasticViT's cost against figures measured with the authors' code, by both counters."""

from __future__ import annotations

import numpy as np
import pytest

from nasvit_mm.cost import count
from tests.conftest import GOLDEN, Golden
from tests.test_spaces.test_elasticvit import tables

NAMES = sorted(
    path.stem
    for path in (GOLDEN / 'elasticvit/cases').glob('*.json')
    if not path.stem.startswith(('losses', 'bn_', 'train_'))
)


@pytest.mark.parametrize('name', NAMES)
def test_golden_cases(name):
    case = Golden('elasticvit').json(f'cases/{name}.json')
    true, theirs = (count('elasticvit', case['arch'], counter=c) for c in ('true', 'authors'))
    assert true.macs == round(case['torch_flop_counter_macs_M'] * 1e6)
    assert theirs.macs == round(case['official_counter_macs_M'] * 1e6)
    assert true.params == theirs.params == case['params_total']
    stages = [theirs.breakdown[f'stage{i}'] for i in range(6)]
    assert stages == [round(m * 1e6) for m in case['official_counter_stage_macs_M']]


def test_every_entry_of_the_authors_tables():
    for entries in tables().values():
        macs = count('elasticvit', [e['arch'] for e in entries], counter='authors').macs
        assert np.array_equal(macs, [round(e['macs_M'] * 1e6) for e in entries])


def test_the_authors_counter_counts_their_classifier_only():
    with pytest.raises(ValueError, match="counter = 'authors' counts classifiers of elasticvit"):
        count('elasticvit', 'smallest', part='backbone', counter='authors')
    with pytest.raises(ValueError, match='not classifiers of nasvit'):
        count('nasvit', 'smallest', counter='authors')
    with pytest.raises(ValueError, match="counter = 'flops', allowed"):
        count('nasvit', 'smallest', counter='flops')
