"""Restricting a space to fewer choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nasvit_mm.errors import ArchitectureError
from nasvit_mm.spaces.field import RESOLUTION, Field

if TYPE_CHECKING:
    from nasvit_mm.spaces.space import Space


def restricted(space: Space, given: Mapping[str, Any]) -> Space:
    """Return the space with the given choices; see ``Space.restrict`` for the arguments."""
    names = [f.name for f in space.fields]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ArchitectureError(f'{space.name} has the fields {names}, not {unknown}')
    kept = [_with_choices(space, f, given[f.name]) if f.name in given else f for f in space.fields]
    kept = _possible(space, kept)
    full = {f.name: f for f in space.table}
    restriction = {
        f.name: [list(c) for c in f.choices] for f in kept if f.choices != full[f.name].choices
    }
    return type(space)(kept, restriction)


def _possible(space: Space, fields: list[Field]) -> list[Field]:
    """Leave out the choices that the rules between genes allow in no architecture."""
    derived = type(space)(fields)
    if not derived.links:
        return fields
    if not derived.num_architectures:
        raise ArchitectureError(
            f'{space.name}: this restriction leaves no architecture: '
            + '; '.join(sorted({link.rule for link in derived.links}))
        )
    masks, out = iter(derived.possible_choices()), []
    for field in fields:
        choices = tuple(
            tuple(c for c, ok in zip(choice, next(masks)) if ok) for choice in field.choices
        )
        out.append(field._replace(choices=choices))
    return out


def _with_choices(space: Space, field: Field, wanted: Any) -> Field:
    if not field.positions:
        if isinstance(wanted, (list, tuple)) and len(wanted) == 1:
            wanted = wanted[0]  # the form that to_dict() writes
        wanted = [wanted]
    elif isinstance(wanted, Mapping):
        unknown = sorted(set(wanted) - set(field.positions))
        if unknown:
            raise ArchitectureError(
                f'{space.name}: {field.name} has the positions '
                f'{list(field.positions)}, not {unknown}'
            )
        wanted = [wanted.get(p, c) for p, c in zip(field.positions, field.choices)]
    elif not isinstance(wanted, (list, tuple)) or len(wanted) != len(field.positions):
        raise ArchitectureError(
            f'{space.name}: restrict {field.name} with a mapping position -> '
            f'choices or a list of {len(field.positions)} entries, got {wanted!r}'
        )
    choices = []
    for label, values, have in zip(field.labels, wanted, field.choices):
        values = list(values if isinstance(values, (list, tuple, set)) else [values])
        bad = [v for v in values if not _allowed(space, field, v, have)]
        if bad or not values:
            raise ArchitectureError(
                f'{space.name}: restrict {label} to {values}, but the space has {list(have)}'
            )
        choices.append(tuple(sorted({int(v) for v in values})))
    return field._replace(choices=tuple(choices))


def _allowed(space: Space, field: Field, value: Any, choices: tuple[int, ...]) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return False
    return value >= space.min_size if field.role == RESOLUTION else value in choices
