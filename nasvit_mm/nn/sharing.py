"""Weight sharing: which channels a candidate width uses, by the name of the rule.

All rules give a :class:`Span`, so they differ in its start only:

``ordinal``
    The first channels, as slimmable networks and once-for-all do.  The first channel serves every
    width, the last one only the largest.
``bilateral``
    The first channels in phase 0, the last ones in phase 1 (BCNet, and the public ViTAS code).
    Over both phases all channels serve equally often; the public code trains both in every step,
    at twice the cost.
``cyclic``
    The candidates lie one after another around a ring of the channels: each begins where the one
    before it ended.  Within one phase the channels' numbers of uses differ by one at most, at one
    forward a step; phase 1 goes on where phase 0 ended, and over both phases the numbers are equal
    wherever twice the sum of the candidate widths is a multiple of the largest (as in all spaces
    here).  The ECCV paper has a cyclic sharing with this purpose, but its formula is not public:
    this definition is nasvit_mm's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from nasvit_mm.nn.span import Span

SHARING = ('ordinal', 'bilateral', 'cyclic')


def num_phases(rule: str) -> int:
    """1 where the channels of a width are always the same, 2 where they alternate."""
    return 1 if rule == 'ordinal' else 2


def shared_span(rule: str, widths: Sequence[int], index: int, phase: int = 0) -> Span:
    """Channels of one candidate width.

    Args:
        rule: one of :data:`SHARING`.
        widths: the candidates, in a fixed order; their largest is the size of the axis.  A width
            may come several times (where several choices lead to it).
        index: which candidate.
        phase: 0 or 1.

    Raises:
        ValueError: unknown rule.
    """
    if rule not in SHARING:
        raise ValueError(f'sharing = {rule!r}, allowed: {", ".join(SHARING)}')
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
    """Start of every candidate on the ring."""
    size, total = max(widths), sum(widths)
    # Where a phase ends where it began, it alone is uniform, and any turn keeps that.
    first = (total % size or size // 2) if phase else 0
    return tuple(start % size for start in accumulate(widths[:-1], initial=first))
