"""Who asks for candidates."""

from nasvit_mm.registry import ALGORITHMS, OPERATORS
from nasvit_mm.search.algorithms.base import Algorithm, build_algorithm
from nasvit_mm.search.algorithms.genetic import PymooAlgorithm
from nasvit_mm.search.algorithms.operators import Operators
from nasvit_mm.search.algorithms.papers import LevelEvolution, ParetoEvolution

__all__ = [
    'ALGORITHMS',
    'Algorithm',
    'LevelEvolution',
    'OPERATORS',
    'Operators',
    'ParetoEvolution',
    'PymooAlgorithm',
    'build_algorithm',
]
