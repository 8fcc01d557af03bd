"""A block as latency tables see it: where it runs, its sizes, which part counts its cost."""

from __future__ import annotations

from typing import Any, NamedTuple


class Block(NamedTuple):
    """A block that a forward runs.

    Attributes:
        place: where it runs, and its kind; blocks of one place and equal sizes do the same work.
        sizes: (name, number) of everything that its time depends on.
        part: the part of the family's tally that counts such blocks and nothing else; None if their
            part also counts other layers.
    """

    place: str
    sizes: tuple[tuple[str, int], ...]
    part: str | None = None

    @classmethod
    def of(cls, place: str, plan: Any, part: str | None = None) -> Block:
        """Return the block of a plan, a named tuple of spans and numbers.

        Rates and scales (floats) do not affect the time, nor do the entries that a plan lists in
        ``UNTIMED``, such as the row of a table to read.
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
