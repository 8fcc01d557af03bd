"""Genes of the task: what is searched of a dense model beside its backbone's architecture.

They are fields of a space like any other, behind the family's own, so that samplers, algorithms
and archives treat them alike.  What they do to a model, :mod:`nasvit_mm.dense` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nasvit_mm.errors import ArchitectureError, shown_value, unknown
from nasvit_mm.spaces.field import TASK, Field

# Name -> (smallest, largest value, what it is); their first letters differ, for ``str(arch)``.
SCALE, TAPS, HEAD, OUTPUTS = 'scale', 'taps', 'head', 'outputs'
GENES = {
    SCALE: (10, 100, "the input's height and width in percent of the task's"),
    TAPS: (1, 65536, "channels of each of the backbone's taps"),
    HEAD: (1, 65536, 'channels inside the head'),
    OUTPUTS: (1, 16, 'how many maps the head takes, from the coarsest on'),
}


def task_fields(space: str, given: Any) -> tuple[Field, ...]:
    """Return the fields of genes of the task, in the order of :data:`GENES`.

    Args:
        space: name of the space, for errors.
        given: name -> value or values.

    Raises:
        ArchitectureError: an unknown gene, no values, or one out of its range.
    """
    if not isinstance(given, Mapping):
        raise ArchitectureError(
            f'{space}: task = {shown_value(given)}, expected a mapping of genes, as in '
            f'dict({HEAD}=[64, 128])'
        )
    for name in given:
        if name not in GENES:
            raise ArchitectureError(unknown(f'{space}: gene of the task', name, GENES))
    return tuple(_field(space, name, given[name]) for name in GENES if name in given)


def _field(space: str, name: str, given: Any) -> Field:
    low, high, what = GENES[name]
    values = list(given) if isinstance(given, (list, tuple)) else [given]
    for value in values:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            raise ArchitectureError(
                f'{space}: task.{name} = {shown_value(given)}, expected whole numbers from {low} '
                f'to {high}: {what}'
            )
    if not values:
        raise ArchitectureError(f'{space}: task.{name} is empty, expected one value or more')
    return Field(name, (), (tuple(sorted(set(values))),), TASK)


def foreign_genes(names: Iterable[str]) -> str:
    """Return the end of a sentence on fields that a space does not have, where all of them are
    genes of a task; '' where one is not.
    """
    names = list(names)
    if not names or not all(name in GENES for name in names):
        return ''
    example = ', '.join(f'{name}=[...]' for name in names)
    return f'; genes of a task are given to a space by dict(space=..., task=dict({example}))'
