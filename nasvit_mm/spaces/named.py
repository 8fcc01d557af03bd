"""Search spaces by their names."""

from __future__ import annotations

from nasvit_mm.errors import ArchitectureError
from nasvit_mm.family import FAMILIES
from nasvit_mm.spaces.space import Space


def list_spaces() -> list[str]:
    """Return the names that :func:`get_space` takes."""
    return sorted(FAMILIES)


def get_space(space: str | dict | Space) -> Space:
    """Return a space by its name or its ``to_dict()`` form; a Space is returned as it is.

    Args:
        space: a name from :func:`list_spaces`; or ``dict(space=name, restrict={...})``, the form
            that :meth:`Space.to_dict` writes and that configs and checkpoints hold.

    Raises:
        ArchitectureError: the name is unknown; the message lists the closest names and all names.
    """
    if isinstance(space, Space):
        return space
    restriction = {}
    if isinstance(space, dict):
        unknown = set(space) - {'space', 'restrict'}
        if unknown or 'space' not in space:
            raise ArchitectureError(
                "a space mapping has the keys 'space' and optionally 'restrict', "
                f'got {sorted(space)}'
            )
        space, restriction = space['space'], space.get('restrict') or {}
    if not isinstance(space, str):
        raise ArchitectureError(f'space = {space!r}: expected a name or a mapping')
    found = FAMILIES[space].space(space)()
    return found.restrict(**restriction) if restriction else found
