"""Weight sharing: which channels a candidate width uses under each rule.

All rules return a :class:`Span` and differ only in its start:

``ordinal``
    The first channels, as slimmable networks and once-for-all do.  The first channel serves every
    width, the last one only the largest.
``bilateral``
    The first channels in phase 0, the last ones in phase 1 (BCNet, and the public ViTAS code).
    Over both phases all channels serve equally often; the public code trains both in every step,
    at twice the cost.
``cyclic``
    The candidates are laid one after another around a ring of the channels: each begins where the
    previous one ended.  Within one phase the channels' numbers of uses differ by at most one, with
    one forward per step; phase 1 continues where phase 0 ended, and over both phases the numbers
    are equal if twice the sum of the candidate widths is a multiple of the largest (as in all
    spaces here).  The ECCV paper has a cyclic sharing with this purpose, but its formula is not
    public: this definition is nasvit_mm's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from nasvit_mm.errors import unknown
from nasvit_mm.nn.span import Span

SHARING = ('ordinal', 'bilateral', 'cyclic')


def num_phases(rule: str) -> int:
    """Return 1 if a width always uses the same channels, 2 if they alternate."""
    return 1 if rule == 'ordinal' else 2


def shared_span(rule: str, widths: Sequence[int], index: int, phase: int = 0) -> Span:
    """Return the channels of one candidate width.

    Args:
        rule: one of :data:`SHARING`.
        widths: the candidates, in a fixed order; the largest is the size of the axis.  A width may
            occur several times (if several choices lead to it).
        index: index of the candidate.
        phase: 0 or 1.

    Raises:
        ValueError: the rule is unknown.
    """
    if rule not in SHARING:
        raise ValueError(unknown('sharing', rule, SHARING))
    size, width = max(widths), widths[index]
    if rule == 'ordinal':
        start = 0
    elif rule == 'bilateral':
        start = size - width if phase else 0
    else:
        start = _ring(tuple(widths), phase)[index]
    return Span(start, width, size)


@lru_cache(maxsize=1024)
def _ring(widths: tuple[int, ...], phase: int) -> tuple[int, ...]:
    """Return the start of every candidate on the ring."""
    size, total = max(widths), sum(widths)
    # If a phase ends where it began, it is uniform by itself, and any rotation keeps it so.
    first = (total % size or size // 2) if phase else 0
    return tuple(start % size for start in accumulate(widths[:-1], initial=first))
