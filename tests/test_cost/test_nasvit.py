"""NASViT's cost against the figures measured with the authors' code."""

from __future__ import annotations

import pytest

from nasvit_mm.cost import count
from tests.conftest import Golden

CASES = {c['name']: c for c in Golden('nasvit').json('index.json')['cases']}


@pytest.mark.parametrize('name', CASES)
def test_golden_cases(name):
    case = CASES[name]
    cost = count('nasvit', case['config'])
    # The index rounds to 100 multiply-adds.
    for key in ('mmacs_official_total', 'mmacs_independent_flopcounter', 'mmacs_analytic'):
        if case.get(key):
            assert cost.macs == pytest.approx(case[key] * 1e6, abs=51)
    if case.get('params_true_active_M'):
        assert cost.params == round(case['params_true_active_M'] * 1e6)


@pytest.mark.parametrize(
    ('arch', 'size', 'mmacs'),
    [
        ('nasvit_min', 192, 189.79),
        ('nasvit_min', 224, 276.16),
        ('nasvit_min', 256, 369.07),
        ('nasvit_min', 288, 502.25),
        ('nasvit_max', 192, 723.13),
        ('nasvit_max', 224, 1040.98),
        ('nasvit_max', 256, 1398.70),
        ('nasvit_max', 288, 1881.71),
    ],
)
def test_other_resolutions(arch, size, mmacs):
    assert count('nasvit', arch, size).macs == pytest.approx(mmacs * 1e6, abs=5001)


@pytest.mark.parametrize(
    ('arch', 'size', 'full', 'windows'),
    [
        ('nasvit_min', (512, 512), 2.41, 1.71),
        ('nasvit_min', (512, 1024), 7.41, 3.45),
        ('nasvit_min', (1024, 2048), 91.7, 14.1),
        ('nasvit_like_421m', (512, 512), 3.35, 2.64),
        ('nasvit_like_757m', (512, 512), 3.68, 2.62),
        ('nasvit_max', (512, 512), 8.78, 6.73),
        ('nasvit_max', (512, 1024), 26.2, 13.6),
    ],
)
def test_dense_sizes(arch, size, full, windows):
    """All five outputs; at these sizes the windows are of 16 x 16 tokens."""
    for mode, gmacs in (('global', full), ('window', windows)):
        cost = count(
            'nasvit', arch, size, part='backbone', out_indices=(0, 1, 2, 3, 4), attention=mode
        )
        assert cost.macs / 1e9 == pytest.approx(gmacs, rel=4e-3)
