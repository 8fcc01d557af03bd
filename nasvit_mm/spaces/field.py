"""A field of an architecture, and what its genes are for."""

from __future__ import annotations

from typing import NamedTuple

# What a field is for those who treat it specially, whatever it is called.
RESOLUTION, WIDTH, DEPTH, PATCH = ROLES = ('resolution', 'width', 'depth', 'patch')


class Field(NamedTuple):
    """One field of an architecture: its positions and the choices at each of them.

    Attributes:
        name: of the field.
        positions: names of its positions; empty for a scalar field.
        choices: one ascending tuple per position, or one for a scalar.
        role: one of :data:`ROLES`, or none: the training resolution, widths of the channels, what
            makes the depth (where slots hold a block or nothing, their heads), the patch size.
    """

    name: str
    positions: tuple[str, ...]
    choices: tuple[tuple[int, ...], ...]
    role: str = ''

    @property
    def labels(self) -> list[str]:
        """A readable name of every gene, ``width[mb3]``."""
        return [f'{self.name}[{p}]' for p in self.positions] if self.positions else [self.name]
