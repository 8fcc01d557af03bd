"""The forms in which an architecture is given: a name, a file, what was printed, a mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nasvit_mm.errors import ArchitectureError, closest
from nasvit_mm.spaces.arch import Arch, Value, load_arch_file, parsed_text
from nasvit_mm.spaces.field import RESOLUTION, Field

if TYPE_CHECKING:
    from nasvit_mm.spaces.space import Space

FILES = ('.json', '.yaml', '.yml')


def given_mapping(space: Space, x: Any) -> Any:
    """Return the fields of an architecture by name, or the authors' own form where it is that."""
    if isinstance(x, Arch):
        _check_space(space, x.space)
        return {f.name: x[f.name] for f in space.fields}
    return _from_text(space, str(x)) if isinstance(x, (str, Path)) else x


def _from_text(space: Space, text: str) -> Any:
    """Read a name, a file's path, the authors' string, or what ``str(arch)`` printed."""
    if text in ('smallest', 'largest'):
        return getattr(space, text).to_dict()
    if text in space.zoo:
        return space.zoo[text]['arch']
    native = space.from_text(text)
    if native is not None:
        return native
    if Path(text).suffix.lower() in FILES:
        if not Path(text).is_file():
            raise ArchitectureError(f'architecture file not found: {text}')
        return load_arch_file(text)
    printed = parsed_text(text, space.fields)
    if printed is not None:
        return printed
    if text.startswith(f'{space.name}:'):
        raise ArchitectureError(
            f'{text!r} is no whole architecture; what is printed of one is {space.smallest}'
        )
    names = ['smallest', 'largest', *space.zoo]
    raise ArchitectureError(
        f'unknown {space.name} architecture {text!r}{closest(text, names)}; '
        f'named ones: {", ".join(names)}; a .json / .yaml file, a mapping or what is printed of '
        'one is taken too'
    )


def from_mapping(space: Space, mapping: Mapping) -> Arch:
    """Read fields by name: all there, none else, every value a choice of the space."""
    given = dict(mapping)
    _check_space(space, given.pop('space', space.name))
    names = [f.name for f in space.fields]
    missing, unknown = [n for n in names if n not in given], sorted(set(given) - set(names))
    if missing or unknown:
        raise ArchitectureError(
            f'a {space.name} architecture has the fields {names}; '
            + (f'missing: {missing} ' if missing else '')
            + (f'unknown: {unknown}' if unknown else '')
        )
    return Arch(space.name, {f.name: _read_field(space, f, given[f.name]) for f in space.fields})


def _check_space(space: Space, name: Any) -> None:
    if name != space.name:
        raise ArchitectureError(f'architecture of space {name!r} given to space {space.name!r}')


def _read_field(space: Space, field: Field, value: Any) -> Value:
    values = list(value) if isinstance(value, (Sequence, np.ndarray)) else [value]
    if (
        isinstance(value, str)
        or len(values) != len(field.choices)
        or (not field.positions and isinstance(value, (Sequence, np.ndarray)))
    ):
        shape = (
            f'{len(field.positions)} numbers, {", ".join(field.positions)}'
            if field.positions
            else 'one number'
        )
        raise ArchitectureError(f'{space.name}: {field.name} = {value!r}, expected {shape}')
    out = []
    for label, v, choices in zip(field.labels, values, field.choices):
        if isinstance(v, bool) or v not in choices:
            remedy = ''
            if field.role == RESOLUTION and isinstance(v, int) and v >= space.min_size:
                remedy = f'; a restriction has it: restrict=dict({field.name}=[{v}])'
            raise ArchitectureError(
                f'{space.name}: {label} = {v!r} is not in the space; '
                f'choices: {", ".join(map(str, choices))}{remedy}'
            )
        out.append(int(v))
    return tuple(out) if field.positions else out[0]
