"""Dense models: one class a kind; their whole cost; building one around an architecture."""

from nasvit_mm.dense.agreement import check_same_model
from nasvit_mm.dense.build import build_model
from nasvit_mm.dense.channels import check_channels, fit_channels
from nasvit_mm.dense.check_data import CheckData, check_labels
from nasvit_mm.dense.check_inputs import check_preprocessor
from nasvit_mm.dense.config import inner_model, standalone
from nasvit_mm.dense.cost import ModelCost, count_model
from nasvit_mm.dense.counting import check_model, count, input_size
from nasvit_mm.dense.elastic import ElasticPart
from nasvit_mm.dense.kinds import (
    ClassMaps,
    Detector,
    Drawing,
    LossesOnly,
    ModelKind,
    ScoreMaps,
    Segmentor,
    Shapes,
    StepOutput,
    bare_model,
    binary,
    by_sigmoid,
    definer,
    elastic_backbone,
    head_types,
    image_meta,
    kind_of,
    kind_of_config,
    write_results,
)
from nasvit_mm.dense.look_at_data import look_at_data
from nasvit_mm.dense.searched import SearchedModel, Size, searched_model
from nasvit_mm.dense.sight import Normalisation, config_beside, sees_otherwise
from nasvit_mm.dense.task_genes import build_network, own_task, widen
from nasvit_mm.dense.trace import trace
from nasvit_mm.dense.weights import (
    check_backbone_fits,
    check_checkpoint_fits,
    check_pretrained,
    load_weights,
    use_pretrained,
    warn_of_nothing,
    warn_of_other_input,
)

__all__ = [
    'CheckData',
    'ClassMaps',
    'Detector',
    'Drawing',
    'ElasticPart',
    'LossesOnly',
    'ModelCost',
    'ModelKind',
    'Normalisation',
    'ScoreMaps',
    'SearchedModel',
    'Segmentor',
    'Shapes',
    'Size',
    'StepOutput',
    'bare_model',
    'binary',
    'build_model',
    'build_network',
    'by_sigmoid',
    'check_backbone_fits',
    'check_channels',
    'check_checkpoint_fits',
    'check_labels',
    'check_preprocessor',
    'check_pretrained',
    'check_model',
    'check_same_model',
    'count',
    'input_size',
    'searched_model',
    'config_beside',
    'count_model',
    'definer',
    'elastic_backbone',
    'fit_channels',
    'head_types',
    'image_meta',
    'inner_model',
    'kind_of',
    'kind_of_config',
    'load_weights',
    'look_at_data',
    'own_task',
    'sees_otherwise',
    'standalone',
    'trace',
    'use_pretrained',
    'warn_of_nothing',
    'warn_of_other_input',
    'widen',
    'write_results',
]
