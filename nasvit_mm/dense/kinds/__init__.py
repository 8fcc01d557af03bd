"""The kinds of dense models, one class each in the registry ``KINDS``."""

from nasvit_mm.dense.kinds.answers import ClassMaps, ScoreMaps, by_sigmoid, definer
from nasvit_mm.dense.kinds.base import ModelKind, child, image_meta
from nasvit_mm.dense.kinds.detectors import Detector
from nasvit_mm.dense.kinds.drawing import Drawing
from nasvit_mm.dense.kinds.lookup import (
    LossesOnly,
    bare_model,
    elastic_backbone,
    head_types,
    kind_of,
    kind_of_config,
    write_results,
)
from nasvit_mm.dense.kinds.segmentors import Segmentor
from nasvit_mm.dense.kinds.step import Shapes, StepOutput, binary

__all__ = [
    'ClassMaps',
    'Detector',
    'Drawing',
    'LossesOnly',
    'ModelKind',
    'ScoreMaps',
    'Segmentor',
    'Shapes',
    'StepOutput',
    'bare_model',
    'binary',
    'by_sigmoid',
    'child',
    'definer',
    'elastic_backbone',
    'head_types',
    'image_meta',
    'kind_of',
    'kind_of_config',
    'write_results',
]
