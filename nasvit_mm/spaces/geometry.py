"""Attention modes and window sizes that networks and costs agree on."""

from __future__ import annotations

from typing import Any

ATTENTION_MODES = ('auto', 'global', 'window')


def window_side(tokens: Any, largest: int) -> Any:
    """Return the side of the equal windows of an axis: ceil(n / ceil(n / R)), at most R.

    It takes ints or integer arrays.
    """
    return -(-tokens // -(-tokens // largest))
