"""Which choices of a space a task's model has, and architectures from elsewhere as its members."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from mmengine.logging import print_log

from nasvit_mm.errors import ArchitectureError
from nasvit_mm.spaces import RESOLUTION, Arch, Space, get_space


def without_idle(space: Space, idle: Collection[str]) -> Space:
    """Leave one choice, the largest, of genes that are no part of a task's model.

    Else one network would be evaluated under several names, and the accuracy of a classifier,
    which has those parts, would choose among them.  The resolution stays the config's to fix: it
    says which layer scales a dense model takes over.

    Args:
        idle: labels, of :meth:`SearchedModel.idle`.
    """
    fixed, kept = [], {}
    for field in space.fields:
        choices = list(field.choices)
        for i, label in enumerate(field.labels):
            if label in idle and len(choices[i]) > 1 and field.role != RESOLUTION:
                fixed.append(f'{label} = {choices[i][-1]}')
                choices[i] = choices[i][-1:]
        if tuple(choices) != field.choices:
            kept[field.name] = choices if field.positions else choices[0]
    if fixed:
        print_log(
            f"no part of the task's model, and so not searched: {', '.join(fixed)}", 'current'
        )
    resolution = space.role(RESOLUTION)
    if resolution and set(resolution.labels) & set(idle) and len(resolution.choices[0]) > 1:
        print_log(
            "the resolution of an architecture costs the task's model nothing, and accuracy "
            'of a classifier rises with it: fix it, space = dict(space='
            f'{space.name!r}, restrict=dict({resolution.name}=[...]))',
            'current',
            logging.WARNING,
        )
    return space.restrict(**kept) if kept else space


def adopted(space: Space, idle: Collection[str], given: Any) -> Arch:
    """Return an architecture as a member of a searched space, which may be smaller than where it is
    from.

    What the space has fixed of the idle genes it takes over: the dense model is the same.

    Args:
        given: in any form that ``Space.arch`` takes.

    Raises:
        ArchitectureError: as of ``Space.arch``.
    """
    try:
        return space.arch(given)
    except ArchitectureError:
        values = dict(get_space(space.name).mapping(given))
    for field in space.without_task.fields:
        old = values.get(field.name)
        if not field.positions:
            new = _taken(field.choices[0], field.labels[0] in idle, old)
        elif isinstance(old, (list, tuple)) and len(old) == len(field.positions):
            new = [
                _taken(c, label in idle, v) for c, label, v in zip(field.choices, field.labels, old)
            ]
        else:
            continue
        values[field.name] = new
    return space.arch(values)


def _taken(choices: tuple[int, ...], idle: bool, value: Any) -> Any:
    return choices[0] if idle and len(choices) == 1 else value
