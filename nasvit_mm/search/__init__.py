"""Searching architectures under the cost of the whole dense model."""

from nasvit_mm.search.algorithms import (
    ALGORITHMS,
    OPERATORS,
    Algorithm,
    LevelEvolution,
    ParetoEvolution,
    build_algorithm,
)
from nasvit_mm.search.config import CONTENT_KEY, SearchPlan, read_search, read_task
from nasvit_mm.search.evaluators import (
    Backend,
    EvaluationError,
    EvaluatorSpec,
    InProcess,
    OnExecutor,
    OverRanks,
    SubnetEvaluator,
    SupernetEvaluator,
    build_evaluator,
    process_pool,
)
from nasvit_mm.search.handover import (
    CONFIG,
    Choice,
    Exported,
    check_folder,
    choose,
    export_choice,
    export_model,
    export_subnet,
    metrics_line,
)
from nasvit_mm.search.loop import Progress, search
from nasvit_mm.search.problem import SLOW, CostSource, Problem, Searched, adopted
from nasvit_mm.search.progress import Clock, SearchBar
from nasvit_mm.search.record import (
    Archive,
    front,
    front_table,
    read_archive,
    record_values,
    write_report,
)
from nasvit_mm.search.result import Search
from nasvit_mm.search.running import chosen_backend, open_archive

__all__ = [
    'ALGORITHMS',
    'Algorithm',
    'Archive',
    'Backend',
    'CONFIG',
    'CONTENT_KEY',
    'Choice',
    'Clock',
    'CostSource',
    'EvaluationError',
    'EvaluatorSpec',
    'Exported',
    'InProcess',
    'LevelEvolution',
    'OPERATORS',
    'OnExecutor',
    'OverRanks',
    'ParetoEvolution',
    'Problem',
    'Progress',
    'SLOW',
    'Search',
    'SearchBar',
    'SearchPlan',
    'Searched',
    'SubnetEvaluator',
    'SupernetEvaluator',
    'adopted',
    'build_algorithm',
    'build_evaluator',
    'check_folder',
    'choose',
    'chosen_backend',
    'export_choice',
    'export_model',
    'export_subnet',
    'front',
    'front_table',
    'metrics_line',
    'open_archive',
    'process_pool',
    'read_archive',
    'read_search',
    'read_task',
    'record_values',
    'search',
    'write_report',
]
