"""The kinds of dense models, one class each in the registry ``KINDS``."""

from nasvit_mm.dense.kinds.base import Drawing, ModelKind
from nasvit_mm.dense.kinds.detectors import AnyDetector
from nasvit_mm.dense.kinds.lookup import (
    LossesOnly,
    elastic_backbone,
    head_types,
    kind_of,
    kind_of_config,
    write_results,
)
from nasvit_mm.dense.kinds.one_stage import OneStage
from nasvit_mm.dense.kinds.segmentors import Segmentor
from nasvit_mm.dense.kinds.step import Shapes, StepOutput, binary
from nasvit_mm.dense.kinds.two_stage import TwoStage

__all__ = [
    'AnyDetector',
    'Drawing',
    'LossesOnly',
    'ModelKind',
    'OneStage',
    'Segmentor',
    'Shapes',
    'StepOutput',
    'TwoStage',
    'binary',
    'elastic_backbone',
    'head_types',
    'kind_of',
    'kind_of_config',
    'write_results',
]
