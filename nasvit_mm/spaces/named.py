"""Search spaces by their names."""

from __future__ import annotations

from collections.abc import Mapping

from nasvit_mm.errors import ArchitectureError, shown_value
from nasvit_mm.family import FAMILIES
from nasvit_mm.spaces.space import Space


def list_spaces() -> list[str]:
    """Return the names that :func:`get_space` takes."""
    return sorted(FAMILIES)


def get_space(space: str | dict | Space) -> Space:
    """Return a space by its name or its ``to_dict()`` form; a Space is returned as it is.

    Args:
        space: a name from :func:`list_spaces`; or ``dict(space=name, restrict={...}, task={...})``,
            the form that :meth:`Space.to_dict` writes and that configs and checkpoints hold.
            ``task`` has genes of the task, see :meth:`Space.with_task`.

    Raises:
        ArchitectureError: the name is unknown; the message lists the closest names and all names.
    """
    if isinstance(space, Space):
        return space
    restriction = task = None
    if isinstance(space, dict):
        unknown = set(space) - {'space', 'restrict', 'task'}
        if unknown or 'space' not in space:
            raise ArchitectureError(
                "a space mapping has the keys 'space' and optionally 'restrict' and 'task', "
                f'got {shown_value(list(space))}'
            )
        space, restriction, task = (space.get(key) for key in ('space', 'restrict', 'task'))
    if not isinstance(space, str):
        raise ArchitectureError(f'space = {space!r}: expected a name or a mapping')
    found = FAMILIES[space].space(space)()
    found = found if restriction is None else _restricted(found, restriction)
    return found if task is None else found.with_task(task)


def _restricted(space: Space, restriction: object) -> Space:
    if not isinstance(restriction, Mapping) or not all(isinstance(k, str) for k in restriction):
        raise ArchitectureError(
            f'restrict = {shown_value(restriction)}: expected a mapping of fields, as in '
            'dict(resolution=[224])'
        )
    return space.restrict(**restriction)
