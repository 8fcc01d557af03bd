"""User errors: one exception to catch, one sentence to read.

A message names the value given, what is allowed, and a remedy.  The commands print it as one line.
Standard library only.
"""

from __future__ import annotations

import difflib
import math
import os
import reprlib
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any

DEBUG = 'NASVIT_MM_DEBUG'  # the variable that --debug sets
SURE = 0.75  # likeness from which on an unread name is a slip of the pen


class UsageError(ValueError):
    """A mistake in the command, the config or the data; the message holds the remedy."""


class DataError(UsageError):
    """A mistake in the data set, which a single process may hit; the message names the file."""


class ArchitectureError(UsageError):
    """An invalid space or architecture, or an architecture outside the given space."""


def shown_path(path: str | Path) -> str:
    """Return the path as given, followed by its absolute form where the two differ."""
    full = Path(path).expanduser().absolute()
    return str(path) if str(full) == str(path) else f'{path} (= {full})'


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the error's type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def printable(text: str) -> str:
    r"""Return a text with what a terminal would obey, or not show, as Python writes it: ``\x1b``.

    Line ends and tabs stay.
    """
    return ''.join(
        c if c.isprintable() or c in '\n\t' else c.encode('unicode_escape').decode() for c in text
    )


def raised(error: BaseException) -> str:
    """Word in one line what code of others raised: ``KeyError: 'width'``."""
    kind, said = type(error).__name__, first_line(error)
    return kind if said == kind else f'{kind}: {shorter(said)}'


def shorter(text: str, most: int = 300) -> str:
    """Return a text of at most ``most`` characters, a long one without its end."""
    return text if len(text) <= most else f'{text[: most - 3]}...'


def debugging() -> bool:
    """Return whether tracebacks are wanted: ``--debug``, or NASVIT_MM_DEBUG=1."""
    return os.environ.get(DEBUG, '0') not in ('', '0')


_VALUES = reprlib.Repr()
_VALUES.maxlist = _VALUES.maxtuple = _VALUES.maxdict = 60
_VALUES.maxstring = _VALUES.maxother = _VALUES.maxlong = 300


def shown_value(value: object) -> str:
    """Return ``repr(value)`` in one line, long ones with their middle left out."""
    return ' '.join(_VALUES.repr(value).split())


def closest(name: object, names: Iterable[object], cutoff: float = 0.5) -> str:
    """Return `` (did you mean a, b?)``, or an empty string if no name is as close as ``cutoff``."""
    found = difflib.get_close_matches(str(name), list(map(str, names)), n=3, cutoff=cutoff)
    return f' (did you mean {", ".join(found)}?)' if found else ''


def unknown(what: str, given: object, allowed: Iterable[object]) -> str:
    """Word an unknown name: what was given, the closest names, all names.

    Args:
        what: what the name stands for, e.g. ``'algorithm type'``.
    """
    names = list(map(str, allowed))
    return f'{what} = {given!r}{closest(given, names)}, allowed: {", ".join(names)}'


def check_number(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    whole: bool = False,
) -> Any:
    """Return the value of an option if it is a finite number within its bounds.

    Args:
        name: name of the option.
        low, high: inclusive bounds.
        above: exclusive lower bound.
        whole: whether the value has to be an integer.

    Raises:
        UsageError: names the option, the value and what is allowed.
    """
    fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    try:
        float(value) if fits else None
    except OverflowError:  # an integer beyond all floats
        fits, value = False, f'{str(value)[:20]}... ({len(str(value))} digits)'
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
        f'{word} {bound if isinstance(bound, int) else format(bound, "g")}'
        for word, bound in (('at least', low), ('above', above), ('at most', high))
        if bound is not None
    ]
    kind = 'a whole number' if whole else 'a number'
    raise UsageError(f'{name} = {value!r}, expected {", ".join([kind, *bounds])}')
