"""What a family of networks is made of: one record, whose parts load when they are asked for.

A family is a folder of :mod:`nasvit_mm.families`, or a record that a user's own module adds by
``FAMILIES.add``.  Nothing here imports more than the standard library.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from nasvit_mm.errors import ArchitectureError, closest


@dataclass(frozen=True)
class Family:
    """One family: its spaces, and what serves all of them.

    Every part is an object, or ``'module:name'``, which is imported when the part is asked for.

    Args:
        name: of the family.
        spaces: name of each search space -> its :class:`nasvit_mm.spaces.Space` class.
        cost: its :class:`nasvit_mm.cost.FamilyCost`.
        backbone: its :class:`nasvit_mm.backbones.ElasticBackbone` class.
        head: the classification head, built as ``head(backbone, num_classes, dropout)``.
        converter: its :class:`nasvit_mm.checkpoints.Converter`; None where there are no official
            weights.
    """

    name: str
    spaces: Mapping[str, Any]
    cost: Any
    backbone: Any
    head: Any
    converter: Any = None

    def part(self, name: str) -> Any:
        """Return a part by its name, imported where it is named by a string."""
        return loaded(getattr(self, name))

    def space(self, name: str) -> Any:
        """Return the class of one of the family's spaces."""
        return loaded(self.spaces[name])

    def import_network(self) -> None:
        """Import the module of the backbone, which registers it."""
        if isinstance(self.backbone, str):
            import_module(self.backbone.partition(':')[0])


def loaded(part: Any) -> Any:
    """Return an object, or what ``'module:name'`` names."""
    if not isinstance(part, str):
        return part
    module, _, name = part.partition(':')
    return getattr(import_module(module), name)


class Families(Mapping):
    """Space name -> the family that the space is of, in the order of registration.

    Args:
        locations: modules that add families; imported at the first look-up.
    """

    def __init__(self, *locations: str) -> None:
        self._locations = list(locations)
        self._found: dict[str, Family] = {}

    def add(self, family: Family) -> Family:
        """Register a family under the names of its spaces.

        Raises:
            ValueError: another family has a space of one of these names.
        """
        taken = [name for name in family.spaces if name in self._found]
        if taken:
            raise ValueError(
                f'the space {taken[0]!r} is of the family {self._found[taken[0]].name} already'
            )
        self._found.update(dict.fromkeys(family.spaces, family))
        return family

    def unique(self) -> list[Family]:
        """Return every family once."""
        return list({id(family): family for family in self.values()}.values())

    def __getitem__(self, space: str) -> Family:
        self._load()
        if space not in self._found:
            raise ArchitectureError(
                f'unknown space {space!r}{closest(space, self._found)}; '
                f'known spaces: {", ".join(sorted(self._found))}'
            )
        return self._found[space]

    def __contains__(self, space: object) -> bool:
        self._load()
        return space in self._found

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(list(self._found))

    def __len__(self) -> int:
        self._load()
        return len(self._found)

    def _load(self) -> None:
        while self._locations:
            import_module(self._locations.pop(0))


FAMILIES = Families('nasvit_mm.families')
