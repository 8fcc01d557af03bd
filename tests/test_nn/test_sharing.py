"""Weight sharing: which channels every candidate width uses."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from nasvit_mm import get_space
from nasvit_mm.nn import SHARING, Span, joined, num_phases, shared_span, take
from tests.conftest import Golden


@pytest.fixture(scope='module')
def golden() -> Golden:
    return Golden('vitas')


def axes() -> list[tuple[int, ...]]:
    """Candidate widths of every axis of the ViTAS spaces."""
    found = {tuple(k * size // 10 for k in range(1, 11)) for size in (10, 480, 960)}
    for name in ('vitas_deit_small', 'vitas_deit_block', 'vitas_deit_base', 'vitas_twins'):
        space = get_space(name)
        for field in ('width', 'mlp_width'):
            found |= set(space.field(field).choices)
    space = get_space('vitas_twins')
    for heads, dims in zip(space.field('heads').choices, space.field('head_dim').choices):
        numbers = [h for h in heads if h]
        found |= {tuple(h * d for d in dims) for h in numbers}
        found.add(tuple(sorted(h * d for h in numbers for d in dims)))
    return sorted(found)


def uses(rule: str, widths: tuple[int, ...], phase: int) -> torch.Tensor:
    """How many candidates use each channel."""
    size = max(widths)
    out = torch.zeros(size, dtype=torch.int64)
    for i, width in enumerate(widths):
        span = shared_span(rule, widths, i, phase)
        channels = take(torch.arange(size), span)
        assert (span.width, span.size) == (width, size) and len(set(channels.tolist())) == width
        out[channels] += 1
    return out


def test_there_are_axes():
    assert len(axes()) > 20 and any(len(set(a)) < len(a) for a in axes())


@pytest.mark.parametrize('widths', axes(), ids=str)
def test_channels_are_used_equally_often(widths):
    phases = [uses('cyclic', widths, phase) for phase in (0, 1)]
    for once in phases:
        assert once.max() - once.min() <= 1
    both = phases[0] + phases[1]
    assert both.min() == both.max() == 2 * sum(widths) / max(widths)
    assert not torch.equal(phases[0], phases[1]) or phases[0].min() == phases[0].max()
    for i, width in enumerate(widths):
        if width < max(widths):  # every subnet but the widest differs between the phases
            spans = [shared_span('cyclic', widths, i, phase) for phase in (0, 1)]
            assert spans[0].start != spans[1].start
    bilateral = uses('bilateral', widths, 0) + uses('bilateral', widths, 1)
    if len(set(widths)) == len(widths) and len(widths) == 10:
        # Tenths of the axis: 11 uses each, but where rounded widths do not meet.
        assert (bilateral - 11).abs().max() <= 1
    ordinal = uses('ordinal', widths, 0)
    assert ordinal[0] == len(widths) and ordinal[-1] == widths.count(max(widths))


def test_cyclic_is_the_ring(golden):
    for case in golden.json('ring_assignment_design.json.gz')['cases']:
        widths = [c['width'] for c in case['assignment']]
        for i, candidate in enumerate(case['assignment']):
            assert shared_span('cyclic', widths, i) == Span(
                candidate['start'], candidate['width'], case['max']
            )
        counts = uses('cyclic', tuple(widths), 0)
        assert (counts.min(), counts.max()) == (case['usage_min'], case['usage_max'])


def indices(stored) -> list[int]:
    return stored if isinstance(stored, list) else list(range(stored['start'], stored['stop']))


def test_ordinal_and_bilateral_are_the_public_codes(golden):
    """Index sets that the authors' layers really use; left is both, right is bilateral."""
    checked = Counter()

    def ours(size: int, ratio: float, side: str) -> list[int]:
        widths = [round(k * size / 10) for k in range(1, 11)]
        i = round(ratio * 10) - 1
        if side == 'left':
            assert shared_span('ordinal', widths, i) == shared_span('bilateral', widths, i)
        span = shared_span('bilateral', widths, i, int(side == 'right'))
        return take(torch.arange(size), span).tolist()

    for case in golden.json('channel_assignment.json.gz')['cases']:
        kind, side = case['kind'], case['side']
        if kind == 'linear_in_out':
            assert ours(case['max_out'], case['ratio_out'], side) == indices(case['rows'])
            assert ours(case['max_in'], case['ratio_in'], side) == indices(case['cols'])
        elif kind == 'attention':
            size = case['at_temp_max'] // 3
            assert ours(size, case['ratio'], side) == indices(case['v_rows'])
            joint = ours(2 * size, case['ratio'], side)
            half = len(joint) // 2
            assert joint[:half] == indices(case['q_rows_of_qk'])
            assert joint[half:] == indices(case['k_rows_of_qk'])
        else:
            field = 'norm_channels' if kind == 'norm_and_token' else 'rows'
            expected = ours(case['max'], case['ratio'], side)
            assert expected == indices(case[field])
            if kind == 'norm_and_token':
                assert expected == indices(case['cls_channels'])
        checked[kind] += 1
    assert sum(checked.values()) == 288 and len(checked) == 5


def test_names():
    assert [num_phases(rule) for rule in SHARING] == [1, 2, 2]
    with pytest.raises(ValueError, match="'spiral'.*, allowed: ordinal, bilateral, cyclic"):
        shared_span('spiral', (1, 2), 0)


@pytest.mark.parametrize(
    'span', [Span(1, 3, 4), Span(3, 3, 4), Span(0, 4, 4), Span(2, 4, 4), Span(0, 2, 4)]
)
def test_a_span_as_an_area_of_a_longer_axis(span):
    area, longer = torch.arange(4), torch.arange(12)
    inside = take(longer, joined(*span.inside(4, 12)))
    assert inside.tolist() == [4 + i for i in take(area, span).tolist()]


def test_joined_areas_are_the_whole_axis():
    halves = (*Span.whole(4).inside(0, 8), *Span.whole(4).inside(4, 8))
    assert joined(*halves) == Span.whole(8)
    assert joined(Span(0, 2, 8), Span(4, 2, 8)) == (Span(0, 2, 8), Span(4, 2, 8))
