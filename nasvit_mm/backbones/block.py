"""A block as latency tables know it: where it runs, how large it is, where its cost is counted."""

from __future__ import annotations

from typing import Any, NamedTuple


class Block(NamedTuple):
    """One block that a forward runs.

    Attributes:
        place: where it runs, and what it is; blocks of one place and equal sizes do the same work.
        sizes: (name, number) of all that its time depends on.
        part: the part of the family's tally that is the cost of such blocks and of nothing else;
            None where the part that holds it holds other layers too.
    """

    place: str
    sizes: tuple[tuple[str, int], ...]
    part: str | None = None

    @classmethod
    def of(cls, place: str, plan: Any, part: str | None = None) -> Block:
        """Return the block of a plan, a named tuple of spans and numbers.

        Rates and scales (floats) change no time, nor do entries that a plan names in ``UNTIMED``:
        those that say which row of a table is read.
        """
        kind, without = type(plan), getattr(plan, 'UNTIMED', ())
        sizes = tuple(
            (name, _number(value))
            for name, value in plan._asdict().items()
            if name not in without and not isinstance(value, float)
        )
        return cls(f'{place} {kind.__name__.removesuffix("Plan")}', sizes, part)


def _number(value: Any) -> int:
    if value is None:
        return 0
    if hasattr(value, 'width'):
        return value.width
    return sum(map(_number, value)) if isinstance(value, tuple) else int(value)
