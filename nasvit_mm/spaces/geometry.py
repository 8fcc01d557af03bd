"""Attention modes and window sizes that networks and costs agree on."""

from __future__ import annotations

from typing import Any

ATTENTION_MODES = ('auto', 'global', 'window')
WHOLE = 100  # percent


def scaled(side: Any, percent: Any) -> Any:
    """Return a side of the input at a scale in percent, to the nearest pixel, of ints or arrays."""
    return (side * percent + WHOLE // 2) // WHOLE


def window_side(tokens: Any, largest: int) -> Any:
    """Return the side of the equal windows of an axis: ceil(n / ceil(n / R)), at most R.

    It takes ints or integer arrays.
    """
    return -(-tokens // -(-tokens // largest))
