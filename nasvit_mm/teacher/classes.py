"""Which of a teacher's classes is which of the data's."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.logging import print_log

from nasvit_mm.data import some
from nasvit_mm.errors import UsageError, closest

Order = tuple[int, ...]


def class_order(
    ours: Sequence[str] | None,
    theirs: Sequence[str] | None,
    number: int,
    of_teacher: int,
    more: bool = False,
) -> Order | None:
    """Return the teacher's index of each of our classes, by their names.

    Case, underscores, hyphens and spaces make no difference.

    Args:
        ours: names of the classes that are trained; None: not known.
        theirs: the teacher's names; None: not known.
        number: of our classes.
        of_teacher: number of the teacher's.
        more: whether the teacher may have more classes, which are then left out.

    Returns:
        None where the order is the same; also where names are not known and the numbers agree,
        which the log says.

    Raises:
        UsageError: a class that only one of the two has, or numbers that differ.
    """
    if ours is None or theirs is None:
        if number != of_teacher:
            raise UsageError(
                f'the teacher has {of_teacher} classes and the model {number}, and the names of '
                f'{"its" if theirs is None else "the model"} classes are not known: give a teacher '
                f'of the {number} classes of the data'
                + (', or name its classes in its order: teacher.classes=[...]' if ours else '')
            )
        print_log(
            f'the {number} classes of the teacher are taken to be those of the data in the same '
            f'order: no names are known of {"the teacher" if theirs is None else "the data"}',
            logger='current',
        )
        return None
    places = {_plain(name): i for i, name in enumerate(theirs)}
    missing = [name for name in ours if _plain(name) not in places]
    spare = [name for name in theirs if _plain(name) not in set(map(_plain, ours))]
    if missing or (spare and not more):
        lacks = f'it has no {some(missing, 3)}{closest(missing[0], spare)}' if missing else ''
        only = f'it has {some(spare, 3)}, which the data have not' if spare else ''
        raise UsageError(
            f"the teacher's classes are not those of the data: "
            f'{"; ".join(filter(None, [lacks, only]))}; give a teacher of the classes of the data, '
            'or, where it only calls them otherwise, name its classes in its order: '
            'teacher.classes=[...]'
        )
    order = tuple(places[_plain(name)] for name in ours)
    return None if order == tuple(range(len(theirs))) else order


def _plain(name: str) -> str:
    return ' '.join(str(name).lower().replace('_', ' ').replace('-', ' ').split())
