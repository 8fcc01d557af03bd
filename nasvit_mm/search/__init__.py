"""Searching architectures under the cost of the whole dense model."""

from nasvit_mm.search.algorithms import (
    ALGORITHMS,
    OPERATORS,
    Algorithm,
    LevelEvolution,
    Operators,
    ParetoEvolution,
    PymooAlgorithm,
    build_algorithm,
)
from nasvit_mm.search.config import EVALUATED, SearchPlan, read_search, read_task
from nasvit_mm.search.evaluators import (
    ABOUT,
    EvaluationError,
    Ranks,
    Serial,
    SubnetEvaluator,
    SupernetEvaluator,
    Workers,
    build_evaluator,
)
from nasvit_mm.search.handover import (
    CONFIG,
    Exported,
    check_folder,
    export_model,
    export_subnet,
    listed,
)
from nasvit_mm.search.loop import figures, front, search
from nasvit_mm.search.problem import SLOW, Problem, adopted
from nasvit_mm.search.record import Archive, front_table, read_archive, write_report

__all__ = [
    'ABOUT',
    'ALGORITHMS',
    'Algorithm',
    'Archive',
    'CONFIG',
    'EVALUATED',
    'EvaluationError',
    'Exported',
    'LevelEvolution',
    'OPERATORS',
    'Operators',
    'ParetoEvolution',
    'Problem',
    'PymooAlgorithm',
    'Ranks',
    'SLOW',
    'SearchPlan',
    'Serial',
    'SubnetEvaluator',
    'SupernetEvaluator',
    'Workers',
    'adopted',
    'build_algorithm',
    'build_evaluator',
    'check_folder',
    'export_model',
    'export_subnet',
    'figures',
    'front',
    'front_table',
    'listed',
    'read_archive',
    'read_search',
    'read_task',
    'search',
    'write_report',
]
