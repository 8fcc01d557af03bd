"""The forms in which an architecture is given: a name, a file, what was printed, its fields."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasvit_mm.errors import ArchitectureError, closest, shown_value
from nasvit_mm.spaces.arch import Arch, Value, load_arch_file, parsed_text
from nasvit_mm.spaces.field import RESOLUTION, TASK, Field
from nasvit_mm.spaces.task import foreign_genes

FILES = ('.json', '.yaml', '.yml')
Fields = Sequence[Field]


def from_text(space: str, fields: Fields, members: Mapping[str, Any], text: str) -> Any:
    """Read a name, a file's path, or the printed form of an architecture.

    Args:
        space: name of the space.
        fields: its fields.
        members: its named architectures, in any form.
    """
    if text in members:
        return members[text]
    if Path(text).suffix.lower() in FILES:
        if not os.path.isfile(text):  # False, too, of what cannot be a path
            raise ArchitectureError(f'architecture file not found: {shown_value(text)}')
        return load_arch_file(text)
    printed = parsed_text(text, fields)
    if printed is not None:
        return printed
    if text.startswith(f'{space}:'):
        example = next(iter(members.values()))
        raise ArchitectureError(
            f'{shown_value(text)} is no whole architecture; what is printed of one is {example}'
        )
    raise ArchitectureError(
        f'unknown {space} architecture {shown_value(text)}{closest(text[:100], members)}; '
        f'named ones: {", ".join(members)}; a .json / .yaml file, a mapping or the '
        'printed form of one is accepted too'
    )


def check_space(space: str, given: Any) -> None:
    """Check that an architecture is of a space, both by name."""
    if given != space:
        raise ArchitectureError(
            f'architecture of space {shown_value(given)} given to space {space!r}'
        )


def from_mapping(space: str, fields: Fields, min_size: int, mapping: Mapping) -> Arch:
    """Read an architecture from its fields: exactly the space's, each value one of its choices.

    Genes of the task that it does not name are the largest, as the task's own config has them.

    Args:
        min_size: smallest resolution that a restriction of the space takes, which errors name.
    """
    given = dict(mapping)
    check_space(space, given.pop('space', space))
    given = {f.name: f.choices[0][-1] for f in fields if f.role == TASK} | given
    names = [f.name for f in fields]
    missing, unknown = [n for n in names if n not in given], sorted(set(given) - set(names))
    if missing or unknown:
        raise ArchitectureError(
            f'a {space} architecture has the fields {names}'
            + (f'; missing: {missing}' if missing else '')
            + (f'; unknown: {unknown}' if unknown else '')
            + foreign_genes(unknown)
        )
    return Arch(space, {f.name: _read_field(space, f, min_size, given[f.name]) for f in fields})


def _read_field(space: str, field: Field, min_size: int, value: Any) -> Value:
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
        raise ArchitectureError(f'{space}: {field.name} = {shown_value(value)}, expected {shape}')
    out = []
    for label, v, choices in zip(field.labels, values, field.choices):
        if isinstance(v, bool) or v not in choices:
            remedy = ''
            if field.role == RESOLUTION and isinstance(v, int) and v >= min_size:
                remedy = f'; a restriction has it: restrict=dict({field.name}=[{v}])'
            raise ArchitectureError(
                f'{space}: {label} = {shown_value(v)} is not in the space; '
                f'choices: {", ".join(map(str, choices))}{remedy}'
            )
        out.append(int(v))
    return tuple(out) if field.positions else out[0]
