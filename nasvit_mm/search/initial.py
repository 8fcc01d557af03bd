"""The architectures that a search begins with: a list, a checkpoint's memory banks, an archive."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from nasvit_mm.checkpoints import read_checkpoint
from nasvit_mm.config import plain_types
from nasvit_mm.errors import ArchitectureError, UsageError
from nasvit_mm.search.algorithms import Algorithm
from nasvit_mm.search.problem.idle_genes import adopted
from nasvit_mm.search.problem.ranking import ranked
from nasvit_mm.search.record.archive import NAME
from nasvit_mm.search.record.front import is_measured, record_values
from nasvit_mm.search.result import Search
from nasvit_mm.spaces import RESOLUTION, Arch, Space


def read_initial(given: Any, space: Space, idle: frozenset[str]) -> list[Arch]:
    """Read ``initial`` of a search's config as members of the searched space.

    Args:
        given: a list of architectures, a supernet's checkpoint with memory banks, or the
            ``archive.jsonl`` of another search, whose front comes first; None: no architecture.
        idle: labels of genes that the task's model does not have, see :func:`adopted`.

    Raises:
        UsageError: something else, a file that is not there, or no member of the space.
    """
    if given is None:
        return []
    if not isinstance(given, str) and isinstance(given, Sequence):
        try:
            return [adopted(space, idle, arch) for arch in plain_types(given)]
        except ArchitectureError as error:
            raise UsageError(f'initial: {error}') from error
    if not isinstance(given, str):
        raise UsageError(
            f'initial = {given!r}, expected a list of architectures, a checkpoint, or '
            'an archive.jsonl'
        )
    archs = _of_archive(given) if Path(given).name == NAME else _of_memory_banks(given)
    return _members(space, idle, archs, given)


def warn_of_initial(given: int, algorithm: Algorithm) -> None:
    """Say so where not all architectures of ``initial`` will be evaluated."""
    feasible, first = algorithm.num_initial, algorithm.population
    if feasible < given:
        print_log(
            f'initial: {given - feasible} of {given} architectures do not meet the constraints and '
            'are left out',
            'current',
            logging.WARNING,
        )
    if feasible > first:
        print_log(
            f'initial: {feasible} architectures, but the first generation has {first}: the rest is '
            f'left out; algorithm.population={feasible} takes all',
            'current',
            logging.WARNING,
        )


def _of_archive(path: str) -> list[Mapping[str, Any]]:
    """Return the architectures of another search by its own objectives: its front, whose ends and
    most open parts come first, then the next front, and so on.
    """
    if not Path(path).is_file():
        raise UsageError(f'initial: the archive {path} does not exist')
    search = Search.load(Path(path).parent)
    found = [record for record in search.records if is_measured(record)]
    if not found:
        raise UsageError(f'initial: the archive {path} holds no candidate that was evaluated')
    order = ranked(search.scores(map(record_values, found)))
    return [found[place]['arch'] for place in order]


def _of_memory_banks(path: str) -> list[Mapping[str, Any]]:
    """Return the architectures that a training with the sampler ``bank`` found good, best first."""
    state = read_checkpoint(path).content.get('supernet') or {}
    banks = state.get('sampler', {}).get('bank')
    if not banks:
        raise UsageError(
            f'initial: the checkpoint {path} has no memory banks (of the sampler bank)'
        )
    ranked = sorted((entry for bank in banks for entry in bank), key=lambda e: -e[1])
    return [arch for arch, _ in ranked]


def _members(
    space: Space, idle: frozenset[str], archs: Sequence[Mapping], source: str
) -> list[Arch]:
    """Return those that are of the searched space, which may be smaller than where they come
    from; their resolution is taken over from the space.
    """
    resolution = space.role(RESOLUTION)
    free = idle | set(resolution.labels if resolution else ())
    out, refused = [], []
    for arch in archs:
        try:
            out.append(adopted(space, free, arch))
        except ArchitectureError as error:
            refused.append(error)
    if refused:
        found = f'initial: of {len(archs)} architectures of {source} {len(out)} are in the space'
        if not out:
            raise UsageError(f'{found}; of the first: {refused[0]}') from refused[0]
        print_log(found, 'current', logging.WARNING)
    return out
