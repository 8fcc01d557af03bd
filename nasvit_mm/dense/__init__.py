"""Dense models: one class a kind; their whole cost; building one around an architecture."""

from nasvit_mm.dense.agreement import check_same_model
from nasvit_mm.dense.build import build_model, check_channels, fit_channels, task_model
from nasvit_mm.dense.check_data import CheckData, _check_labels
from nasvit_mm.dense.config import inner_model, standalone
from nasvit_mm.dense.cost import ModelCost, count_model, prediction
from nasvit_mm.dense.kinds import (
    OneStageTask,
    SegmentationTask,
    TaskAdapter,
    TaskOutput,
    TwoStageTask,
    elastic_backbone,
    task_of,
)
from nasvit_mm.dense.searched import DenseTask, Size
from nasvit_mm.dense.trace import trace
from nasvit_mm.dense.weights import (
    check_backbone_fits,
    check_checkpoint_fits,
    check_pretrained,
    load_weights,
)

__all__ = [
    'CheckData',
    'DenseTask',
    'ModelCost',
    'OneStageTask',
    'SegmentationTask',
    'Size',
    'TaskAdapter',
    'TaskOutput',
    'TwoStageTask',
    '_check_labels',
    'build_model',
    'check_backbone_fits',
    'check_channels',
    'check_checkpoint_fits',
    'check_pretrained',
    'check_same_model',
    'count_model',
    'elastic_backbone',
    'fit_channels',
    'inner_model',
    'load_weights',
    'prediction',
    'standalone',
    'task_model',
    'task_of',
    'trace',
]
