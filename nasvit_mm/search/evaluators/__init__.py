"""What is measured of a candidate, and where."""

from nasvit_mm.search.evaluators.base import (
    Evaluators,
    EvaluatorSpec,
    SubnetEvaluator,
    build_evaluator,
    check_images,
    describe_evaluator,
)
from nasvit_mm.search.evaluators.execute import Backend, InProcess, OnExecutor, process_pool
from nasvit_mm.search.evaluators.ranks import EvaluationError, OverRanks
from nasvit_mm.search.evaluators.supernet import SupernetEvaluator

__all__ = [
    'Backend',
    'EvaluationError',
    'EvaluatorSpec',
    'Evaluators',
    'InProcess',
    'OnExecutor',
    'OverRanks',
    'SubnetEvaluator',
    'SupernetEvaluator',
    'build_evaluator',
    'check_images',
    'describe_evaluator',
    'process_pool',
]
