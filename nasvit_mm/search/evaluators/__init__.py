"""What is measured of a candidate, and where."""

from nasvit_mm.search.evaluators.artefact import ArtefactEvaluator
from nasvit_mm.search.evaluators.base import (
    CandidateError,
    Evaluators,
    EvaluatorSpec,
    SubnetEvaluator,
    build_evaluator,
    describe_evaluator,
)
from nasvit_mm.search.evaluators.execute import Backend, Failed
from nasvit_mm.search.evaluators.executor import OnExecutor
from nasvit_mm.search.evaluators.heartbeat import RankError
from nasvit_mm.search.evaluators.in_process import InProcess
from nasvit_mm.search.evaluators.on_dask import OnDask
from nasvit_mm.search.evaluators.ranks import EvaluationError, OverRanks
from nasvit_mm.search.evaluators.supernet import SupernetEvaluator
from nasvit_mm.search.evaluators.workers import Workers

__all__ = [
    'ArtefactEvaluator',
    'Backend',
    'CandidateError',
    'EvaluationError',
    'EvaluatorSpec',
    'Evaluators',
    'Failed',
    'InProcess',
    'OnDask',
    'OnExecutor',
    'OverRanks',
    'RankError',
    'SubnetEvaluator',
    'SupernetEvaluator',
    'Workers',
    'build_evaluator',
    'describe_evaluator',
]
