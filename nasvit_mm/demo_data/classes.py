"""The classes that a demo scene is labelled with. Each layout maps their names to its numbers."""

from enum import IntEnum


class Label(IntEnum):
    """The values of ``Scene.labels``, in the data sets' own words so that layouts find them."""

    SKY = 0
    MOUNTAIN = 1
    BUILDING = 2
    TREE = 3
    GRASS = 4
    ROAD = 5
    SIDEWALK = 6
    WATER = 7
    PERSON = 8
    CAR = 9
    BUS = 10
    BOAT = 11


VOID = 255
"""Value of ``Scene.labels`` for pixels of no class (street lamps, mere slivers of objects)."""

CLASSES: tuple[str, ...] = tuple(label.name.lower() for label in Label)
"""Class names; ``CLASSES[i]`` names the value i of ``Scene.labels``."""

THINGS: frozenset[int] = frozenset({Label.PERSON, Label.CAR, Label.BUS, Label.BOAT})
"""The countable classes: each of their pixels belongs to exactly one instance."""
