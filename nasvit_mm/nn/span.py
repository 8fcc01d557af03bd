"""The one rule for slicing: a span of an axis, wrapping modulo its size."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import torch


class Span(NamedTuple):
    """``width`` consecutive indices of an axis of ``size``, from ``start`` on, wrapping around.

    Ordinal, bilateral and cyclic weight sharing differ only in ``start``.
    """

    start: int
    width: int
    size: int

    @classmethod
    def whole(cls, size: int) -> Span:
        return cls(0, size, size)

    @classmethod
    def prefix(cls, width: int, size: int) -> Span:
        """Return the span of the first ``width`` of ``size`` entries.

        Raises:
            ValueError: ``width`` is not within 1 ... ``size``.
        """
        if not 1 <= width <= size:
            raise ValueError(f'span of width {width} in an axis of {size}')
        return cls(0, width, size)

    @classmethod
    def centre(cls, width: int, size: int) -> Span:
        """Return the span of the middle ``width`` of ``size`` entries (a 3x3 kernel out of 5x5)."""
        return cls((size - width) // 2, width, size)

    def scaled(self, factor: int) -> Span:
        """Return the span of an axis that has ``factor`` entries for each entry of this one."""
        return Span(self.start * factor, self.width * factor, self.size * factor)

    def inside(self, first: int, size: int) -> tuple[Span, ...]:
        """Return the same entries where this axis is a part of a longer one, from ``first`` on.

        A wrapped span, which wraps within the area, becomes two.
        """
        if self.width == self.size:
            return (Span(first, self.size, size),)
        over = self.start + self.width - self.size
        if over <= 0:
            return (Span(first + self.start, self.width, size),)
        return Span(first + self.start, self.width - over, size), Span(first, over, size)

    def divided(self, divisor: int) -> Span:
        """Return the span of an axis that has one entry for ``divisor`` entries of this one."""
        if self.start % divisor or self.width % divisor or self.size % divisor:
            raise ValueError(f'{self} is no multiple of {divisor}')
        return Span(self.start // divisor, self.width // divisor, self.size // divisor)


# The part of one axis that is used: all of it (None), a span, or several spans joined in order.
AxisSpan = Span | tuple[Span, ...] | None


def joined(*spans: Span) -> AxisSpan:
    """Join spans of one axis in order and merge neighbours; the whole axis gives a whole span."""
    out: list[Span] = []
    for span in spans:
        if out and out[-1].start + out[-1].width == span.start:
            span = Span(out[-1].start, out.pop().width + span.width, span.size)
        out.append(span)
    return out[0] if len(out) == 1 else tuple(out)


_recorders: list[dict[int, tuple[AxisSpan, ...]]] = []


def take(weight: torch.Tensor, *spans: AxisSpan) -> torch.Tensor:
    """Return the active part of a weight; ``spans`` has one entry per leading axis.

    A whole axis costs nothing (the weight itself is returned), a contiguous span is a view, and a
    wrapped one is two views joined.

    Raises:
        ValueError: a span was made for an axis of another size.
    """
    for record in _recorders:
        record[id(weight)] = spans
    for axis, span in enumerate(spans):
        if span is None:
            continue
        if isinstance(span, Span):
            weight = _take_axis(weight, axis, span)
        else:
            weight = torch.cat([_take_axis(weight, axis, s) for s in span], axis)
    return weight


@torch.no_grad()
def put(weight: torch.Tensor, value: torch.Tensor, *spans: AxisSpan) -> None:
    """Write a value where :func:`take` reads it by the same spans; the rest stays as it is.

    Raises:
        ValueError: the value has another shape than what the spans read.
    """
    index = take(torch.arange(weight.numel()).view(weight.shape), *spans)
    if index.shape != value.shape:
        raise ValueError(f'value of shape {tuple(value.shape)} for {tuple(index.shape)}')
    weight.view(-1)[index.flatten().to(weight.device)] = value.flatten().to(weight)


def tiling(span: AxisSpan, size: int) -> torch.Tensor:
    """Return for every entry of an axis the entry of a span that it repeats, (size,) int64.

    What the span covers stands for itself.  Beyond it the entries are repeated in their order, all
    around the ring; where it is several spans, each gap repeats the run before it.  So the same
    span gives the same pattern in every weight that it slices.
    """
    covered = torch.arange(size) if span is None else take(torch.arange(size), span)
    out = torch.full((size,), -1, dtype=torch.int64)
    out[covered] = torch.arange(len(covered))
    known = out.tolist()
    begin = int(covered[0])
    first, length = begin, 0  # the run: where it begins, and how long it is
    for step in range(size):
        here = (begin + step) % size
        before = (here - 1) % size
        if known[here] >= 0:
            joins = length and known[before] >= 0 and known[here] == known[before] + 1
            first, length = (first, length + 1) if joins else (here, 1)
        else:
            out[here] = known[(first + (here - first) % size % length) % size]
    return out


def _take_axis(weight: torch.Tensor, axis: int, span: Span) -> torch.Tensor:
    start, width, size = span
    if weight.shape[axis] != size:
        raise ValueError(f'{span} on axis {axis} of a weight of shape {tuple(weight.shape)}')
    if width == size:
        return weight
    over = start + width - size
    if over <= 0:
        return weight.narrow(axis, start, width)
    return torch.cat([weight.narrow(axis, start, width - over), weight.narrow(axis, 0, over)], axis)


@contextlib.contextmanager
def recorded_takes() -> Iterator[dict[int, tuple[AxisSpan, ...]]]:
    """Record what every forward inside takes: ``{id(weight): spans}``.

    Extraction slices exactly what the forward uses, so that no layer needs a second description
    of its slices.
    """
    record: dict[int, tuple[AxisSpan, ...]] = {}
    _recorders.append(record)
    try:
        yield record
    finally:
        # By identity: two empty records are equal, and ``remove`` would delete the outer one.
        del _recorders[next(i for i, r in enumerate(_recorders) if r is record)]
