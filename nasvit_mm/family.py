"""The record that defines a family of networks; its parts load on first use.

A family is a folder of :mod:`nasvit_mm.families`, or a record that a user's module adds with
``FAMILIES.add``.  This file imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from nasvit_mm.errors import ArchitectureError, closest


@dataclass(frozen=True)
class Family:
    """One family: its spaces, and the parts that serve all of them.

    Every part is an object, or a ``'module:name'`` string that is imported on first use.

    Args:
        name: name of the family.
        spaces: maps each space's name to its :class:`nasvit_mm.spaces.Space` class.
        cost: its :class:`nasvit_mm.cost.FamilyCost`.
        backbone: its :class:`nasvit_mm.backbones.ElasticBackbone` class.
        head: the classification head, built as ``head(backbone, num_classes, dropout)``.
        converter: its ``Converter`` of official weights; None if there are none.
    """

    name: str
    spaces: Mapping[str, Any]
    cost: Any
    backbone: Any
    head: Any
    converter: Any = None

    def part(self, name: str) -> Any:
        """Return a part by its name, importing it if it is given as a string."""
        return loaded(getattr(self, name))

    def space(self, name: str) -> Any:
        """Return the class of one of the family's spaces."""
        return loaded(self.spaces[name])

    def import_network(self) -> None:
        """Import the backbone's module, which registers the backbone."""
        if isinstance(self.backbone, str):
            import_module(self.backbone.partition(':')[0])


def loaded(part: Any) -> Any:
    """Return a part itself, or the object that ``'module:name'`` refers to."""
    if not isinstance(part, str):
        return part
    module, _, name = part.partition(':')
    return getattr(import_module(module), name)


class Families(Mapping):
    """Maps the name of a space to its family, in the order of registration.

    Args:
        locations: modules that add families; they are imported at the first look-up.
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
                f'the space {taken[0]!r} already belongs to the family {self._found[taken[0]].name}'
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
