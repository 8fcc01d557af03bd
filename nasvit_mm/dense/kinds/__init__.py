"""The kinds of dense models, one class each in the registry ``KINDS``."""

from nasvit_mm.dense.kinds.base import ModelKind, StepOutput
from nasvit_mm.dense.kinds.detectors import AnyDetector, OneStage, TwoStage
from nasvit_mm.dense.kinds.drawing import Drawing
from nasvit_mm.dense.kinds.lookup import (
    LossesOnly,
    elastic_backbone,
    head_types,
    kind_of,
    kind_of_config,
    write_results,
)
from nasvit_mm.dense.kinds.segmentors import AnySegmentor, Segmentor

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
    'elastic_backbone',
    'head_types',
    'kind_of',
    'kind_of_config',
    'write_results',
]
