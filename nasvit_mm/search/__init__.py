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
from nasvit_mm.search.archive import Archive
from nasvit_mm.search.config import SearchPlan, read_search, read_task
from nasvit_mm.search.evaluators import (
    SubnetEvaluator,
    SupernetEvaluator,
    build_evaluator,
    evaluate,
)
from nasvit_mm.search.execute import Ranks, Serial, Workers
from nasvit_mm.search.export import (
    CONFIG,
    Exported,
    export_model,
    export_subnet,
    listed,
    sha256,
)
from nasvit_mm.search.latency import LatencyTable, build_latency_table
from nasvit_mm.search.loop import front, search
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
from nasvit_mm.search.task import DenseTask, FeatureMaps, standalone

__all__ = [
    'ALGORITHMS', 'CONFIG', 'NSGA2', 'OPERATORS', 'Algorithm', 'Archive', 'Constraint',
    'CostMetric', 'DenseTask', 'Exported', 'FeatureMaps', 'FieldOperators', 'LatencyTable',
    'LevelEvolution', 'Objective', 'Operators', 'ParetoEvolution', 'PolynomialOperators',
    'Problem', 'RandomSearch', 'Ranks', 'SearchPlan', 'Serial', 'SubnetEvaluator',
    'SupernetEvaluator', 'UniformOperators', 'ViTASEvolution', 'Workers', 'build_algorithm',
    'build_evaluator', 'build_latency_table', 'evaluate', 'export_model', 'export_subnet', 'front',
    'front_table', 'listed', 'read_search', 'read_task', 'search', 'sha256', 'standalone',
    'write_report',
]
