"""The kinds of dense models, one class each in the registry ``KINDS``."""

from nasvit_mm.dense.kinds.base import Drawing, ModelKind, StepOutput, child
from nasvit_mm.dense.kinds.detectors import AnyDetector
from nasvit_mm.dense.kinds.lookup import (
    LossesOnly,
    bare_model,
    elastic_backbone,
    head_types,
    kind_of,
    kind_of_config,
    write_results,
)
from nasvit_mm.dense.kinds.one_stage import OneStage
from nasvit_mm.dense.kinds.segmentors import AnySegmentor, Segmentor
from nasvit_mm.dense.kinds.two_stage import TwoStage

__all__ = [
    'AnyDetector',
    'AnySegmentor',
    'Drawing',
    'LossesOnly',
    'ModelKind',
    'OneStage',
    'Segmentor',
    'StepOutput',
    'TwoStage',
    'bare_model',
    'child',
    'elastic_backbone',
    'head_types',
    'kind_of',
    'kind_of_config',
    'write_results',
]
