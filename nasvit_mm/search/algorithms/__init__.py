"""Who asks for candidates."""

from nasvit_mm.search.algorithms.algorithms import (
    ALGORITHMS,
    Algorithm,
    LevelEvolution,
    ParetoEvolution,
    build_algorithm,
)
from nasvit_mm.search.algorithms.operators import OPERATORS

__all__ = [
    'ALGORITHMS',
    'Algorithm',
    'LevelEvolution',
    'OPERATORS',
    'ParetoEvolution',
    'build_algorithm',
]
