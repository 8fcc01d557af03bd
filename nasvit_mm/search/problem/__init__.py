"""What is searched for: costs, constraints, objectives."""

from nasvit_mm.search.problem.feasible import SLOW, Draws, nothing_found
from nasvit_mm.search.problem.idle_genes import RESOLUTION, adopted, without_idle
from nasvit_mm.search.problem.metrics import LATENCY, CostMetric
from nasvit_mm.search.problem.problem import Constraint, Objective, Problem, read_size

__all__ = [
    'Constraint',
    'CostMetric',
    'Draws',
    'LATENCY',
    'Objective',
    'Problem',
    'RESOLUTION',
    'SLOW',
    'adopted',
    'nothing_found',
    'read_size',
    'without_idle',
]
