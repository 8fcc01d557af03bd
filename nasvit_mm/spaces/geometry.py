"""Attention modes and window sizes that networks and costs agree on."""

from __future__ import annotations

from typing import Any

ATTENTION_MODES = ('auto', 'global', 'window')


def window_side(tokens: Any, largest: int) -> Any:
    """Side of the equal windows that an axis is cut into: ceil(n / ceil(n / R)), at most R.

    Takes ints or integer arrays.
    """
    return -(-tokens // -(-tokens // largest))
