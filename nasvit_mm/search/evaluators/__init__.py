"""What is measured of a candidate, and where."""

from nasvit_mm.search.evaluators.base import ABOUT, SubnetEvaluator, build_evaluator
from nasvit_mm.search.evaluators.execute import EvaluationError, Ranks, Serial, Workers
from nasvit_mm.search.evaluators.supernet import SupernetEvaluator

__all__ = [
    'ABOUT',
    'EvaluationError',
    'Ranks',
    'Serial',
    'SubnetEvaluator',
    'SupernetEvaluator',
    'Workers',
    'build_evaluator',
]
