"""Numbers of a search's config, checked before anything costly starts."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from nasvit_mm.engine import UsageError


def number(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    whole: bool = False,
) -> Any:
    """The value of an option, if it is a finite number within its bounds.

    Args:
        name: of the option.
        low, high: bounds, both included.
        above: a bound that is not.
        whole: whether it has to be an integer.

    Raises:
        UsageError: names the option, the value and what is allowed.
    """
    fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if (
        fits
        and math.isfinite(value)
        and not (
            low is not None
            and value < low
            or above is not None
            and value <= above
            or high is not None
            and value > high
        )
    ):
        return value
    bounds = [
        f'{word} {bound:g}'
        for word, bound in (('at least', low), ('above', above), ('at most', high))
        if bound is not None
    ]
    kind = 'a whole number' if whole else 'a number'
    raise UsageError(f'{name} = {value!r}, expected {", ".join([kind, *bounds])}')
