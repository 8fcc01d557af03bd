"""Searching architectures under the cost of the whole dense model."""

from nasvit_mm.search.algorithms import (
    ALGORITHMS,
    NSGA2,
    Algorithm,
    LevelEvolution,
    ParetoEvolution,
    RandomSearch,
    ViTASEvolution,
    build_algorithm,
)
from nasvit_mm.search.archive import Archive, read_archive
from nasvit_mm.search.config import EVALUATED, SearchPlan, read_search, read_task
from nasvit_mm.search.digest import digest, sha256
from nasvit_mm.search.evaluators import ABOUT, SubnetEvaluator, build_evaluator, evaluate
from nasvit_mm.search.execute import EvaluationError, Ranks, Serial, Workers
from nasvit_mm.search.export import (
    CONFIG,
    Exported,
    check_folder,
    export_model,
    export_subnet,
    listed,
)
from nasvit_mm.search.latency import LatencyTable, build_latency_table
from nasvit_mm.search.loop import figures, front, search
from nasvit_mm.search.members import adopted
from nasvit_mm.search.metrics import CostMetric
from nasvit_mm.search.operators import (
    OPERATORS,
    FieldOperators,
    Operators,
    PolynomialOperators,
    UniformOperators,
)
from nasvit_mm.search.problem import Constraint, Objective, Problem
from nasvit_mm.search.report import front_table, write_report
from nasvit_mm.search.supernet_evaluator import SupernetEvaluator
from nasvit_mm.search.task import DenseTask, FeatureMaps, standalone

__all__ = [
    'ABOUT',
    'ALGORITHMS',
    'CONFIG',
    'EVALUATED',
    'NSGA2',
    'OPERATORS',
    'Algorithm',
    'Archive',
    'Constraint',
    'CostMetric',
    'DenseTask',
    'EvaluationError',
    'Exported',
    'FeatureMaps',
    'FieldOperators',
    'LatencyTable',
    'LevelEvolution',
    'Objective',
    'Operators',
    'ParetoEvolution',
    'PolynomialOperators',
    'Problem',
    'RandomSearch',
    'Ranks',
    'SearchPlan',
    'Serial',
    'SubnetEvaluator',
    'SupernetEvaluator',
    'UniformOperators',
    'ViTASEvolution',
    'Workers',
    'adopted',
    'build_algorithm',
    'build_evaluator',
    'build_latency_table',
    'check_folder',
    'digest',
    'evaluate',
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
    'sha256',
    'standalone',
    'write_report',
]
