"""A field of an architecture, and the role of its genes."""

from __future__ import annotations

from typing import NamedTuple

# The roles by which code recognises a field, whatever its name.
ROLES = ('resolution', 'width', 'depth', 'patch', 'task')
RESOLUTION, WIDTH, DEPTH, PATCH, TASK = ROLES


class Field(NamedTuple):
    """One field of an architecture: its positions and the choices at each of them.

    Attributes:
        name: name of the field.
        positions: names of its positions; empty for a scalar field.
        choices: one ascending tuple per position, or one for a scalar.
        role: one of :data:`ROLES`, or empty.  The roles are the training resolution, the channel
            widths, the depths (in a space of slots: the head numbers, 0 for an identity), the
            patch size, and the genes of the task (:mod:`nasvit_mm.spaces.task`).
    """

    name: str
    positions: tuple[str, ...]
    choices: tuple[tuple[int, ...], ...]
    role: str = ''

    @property
    def labels(self) -> list[str]:
        """Return a readable name of every gene, such as ``width[mb3]``."""
        return [f'{self.name}[{p}]' for p in self.positions] if self.positions else [self.name]
