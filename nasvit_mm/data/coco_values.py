"""Values as COCO JSON has them: which are ids, numbers, sizes; how a message shows them."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

Content = dict[str, Any]


def is_id(value: Any) -> bool:
    """Return whether a value numbers something; floats that are whole equal their integers."""
    return is_number(value) and value == int(value)


def is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (Integral, Real)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def has_size(image: Content) -> bool:
    return all(is_id(image.get(key)) and image[key] > 0 for key in ('width', 'height'))


def named(item: Content, place: int | None = None) -> str:
    if 'id' in item:
        return f'{shown(item["id"])}' + (
            f' ({item["file_name"]})' if isinstance(item.get('file_name'), str) else ''
        )
    return f'at place {place}'


def shown(value: Any) -> str:
    if isinstance(value, list) and value and all(map(is_number, value)) and len(value) <= 4:
        return f'[{", ".join(f"{v:g}" for v in value)}]'
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
