"""Fields with fewer choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nasvit_mm.errors import ArchitectureError
from nasvit_mm.spaces.field import RESOLUTION, Field

LARGEST = 65536  # resolution, in pixels


def restricted(
    space: str, fields: Sequence[Field], given: Mapping[str, Any], min_size: int
) -> list[Field]:
    """Return the fields with the choices that are given, as ``Space.restrict`` takes them.

    Args:
        space: name of the space, for errors.
        min_size: smallest resolution; other ones than the space has may be given.
    """
    names = [f.name for f in fields]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ArchitectureError(f'{space} has the fields {names}, not {unknown}')
    return [
        _restricted(space, f, given[f.name], min_size) if f.name in given else f for f in fields
    ]


def without_impossible(fields: Sequence[Field], possible: Sequence[np.ndarray]) -> list[Field]:
    """Leave out the choices that no architecture can have.

    Args:
        possible: for each gene which of its choices occur, bool.
    """
    masks, out = iter(possible), []
    for field in fields:
        choices = tuple(
            tuple(c for c, ok in zip(choice, next(masks)) if ok) for choice in field.choices
        )
        out.append(field._replace(choices=choices))
    return out


def _restricted(space: str, field: Field, wanted: Any, min_size: int) -> Field:
    if not field.positions:
        if isinstance(wanted, (list, tuple)) and len(wanted) == 1:
            wanted = wanted[0]  # the form that to_dict() writes
        wanted = [wanted]
    elif isinstance(wanted, Mapping):
        unknown = sorted(set(wanted) - set(field.positions))
        if unknown:
            raise ArchitectureError(
                f'{space}: {field.name} has the positions {list(field.positions)}, not {unknown}'
            )
        wanted = [wanted.get(p, c) for p, c in zip(field.positions, field.choices)]
    elif not isinstance(wanted, (list, tuple)) or len(wanted) != len(field.positions):
        raise ArchitectureError(
            f'{space}: restrict {field.name} with a mapping position -> '
            f'choices or a list of {len(field.positions)} entries, got {wanted!r}'
        )
    choices = []
    for label, values, have in zip(field.labels, wanted, field.choices):
        values = list(values if isinstance(values, (list, tuple, set)) else [values])
        bad = [v for v in values if not _allowed(field, v, have, min_size)]
        if bad or not values:
            raise ArchitectureError(
                f'{space}: restrict {label} to {values}, but the space has {list(have)}'
            )
        choices.append(tuple(sorted({int(v) for v in values})))
    return field._replace(choices=tuple(choices))


def _allowed(field: Field, value: Any, choices: tuple[int, ...], min_size: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return False
    return min_size <= value <= LARGEST if field.role == RESOLUTION else value in choices
