"""The slicing rule."""

from __future__ import annotations

import pytest
import torch

from nasvit_mm.nn import Span, recorded_takes, take


@pytest.mark.parametrize('start', range(5))
@pytest.mark.parametrize('width', range(1, 6))
def test_take_wraps(start, width):
    weight = torch.arange(5)
    expected = [0, 1, 2, 3, 4] if width == 5 else [(start + i) % 5 for i in range(width)]
    assert take(weight, Span(start, width, 5)).tolist() == expected


def test_whole_is_the_weight_and_contiguous_is_a_view():
    weight = torch.randn(4, 6)
    assert take(weight, Span.whole(4), Span.whole(6)) is weight
    part = take(weight, Span(1, 2, 4), None)
    assert part.data_ptr() == weight[1].data_ptr()


def test_several_spans_of_an_axis_are_joined():
    weight = torch.arange(10)
    assert take(weight, (Span(0, 2, 10), Span(5, 3, 10))).tolist() == [0, 1, 5, 6, 7]


def test_centre_and_scaled():
    assert take(torch.arange(5), Span.centre(3, 5)).tolist() == [1, 2, 3]
    assert Span(1, 2, 4).scaled(4) == Span(4, 8, 16)
    assert Span(4, 8, 16).divided(4) == Span(1, 2, 4)
    with pytest.raises(ValueError):
        Span(1, 8, 16).divided(4)
    with pytest.raises(ValueError, match='width 9'):
        Span.prefix(9, 8)


def test_span_of_another_size():
    with pytest.raises(ValueError, match='size=7'):
        take(torch.zeros(5), Span(0, 3, 7))


def test_records_nest():
    weight = torch.zeros(3)
    with recorded_takes() as outer:
        with recorded_takes() as inner:
            pass
        take(weight, Span(0, 2, 3))
    assert not inner and outer == {id(weight): (Span(0, 2, 3),)}
    with pytest.raises(RuntimeError), recorded_takes():
        raise RuntimeError
    take(weight, Span(0, 1, 3))
    assert outer[id(weight)] == (Span(0, 2, 3),)
