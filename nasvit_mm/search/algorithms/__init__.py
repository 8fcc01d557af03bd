"""Who asks for candidates."""

from nasvit_mm.registry import ALGORITHMS, OPERATORS
from nasvit_mm.search.algorithms.base import Algorithm, Forecast, build_algorithm
from nasvit_mm.search.algorithms.genetic import PymooAlgorithm
from nasvit_mm.search.algorithms.operators import Operators
from nasvit_mm.search.algorithms.papers import LevelEvolution, ParetoEvolution
from nasvit_mm.search.algorithms.surrogate import SurrogateNSGA2

__all__ = [
    'ALGORITHMS',
    'Algorithm',
    'Forecast',
    'LevelEvolution',
    'OPERATORS',
    'Operators',
    'ParetoEvolution',
    'PymooAlgorithm',
    'SurrogateNSGA2',
    'build_algorithm',
]
