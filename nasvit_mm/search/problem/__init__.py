"""What is searched for: costs, constraints, objectives."""

from nasvit_mm.search.problem.costs import Costs
from nasvit_mm.search.problem.counted import CountedCost
from nasvit_mm.search.problem.feasible import SLOW, Constraint, Feasible
from nasvit_mm.search.problem.idle_genes import adopted, without_idle
from nasvit_mm.search.problem.problem import Objective, Problem, read_size
from nasvit_mm.search.problem.sources import (
    CostSource,
    FunctionCost,
    LatencyCost,
    Searched,
    build_cost,
)

__all__ = [
    'Constraint',
    'CostSource',
    'Costs',
    'CountedCost',
    'Feasible',
    'FunctionCost',
    'LatencyCost',
    'Objective',
    'Problem',
    'SLOW',
    'Searched',
    'adopted',
    'build_cost',
    'read_size',
    'without_idle',
]
