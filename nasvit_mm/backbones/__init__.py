"""The networks, one file per family, registered as OpenMMLab backbones."""

from mmengine.registry import MODELS as _ROOT

from nasvit_mm.backbones.base import ElasticBackbone, plain_types
from nasvit_mm.backbones.classifier import ElasticClassifier, create_model
from nasvit_mm.backbones.elasticvit import ElasticViT, ElasticViTHead
from nasvit_mm.backbones.nasvit import NASViT, NASViTHead
from nasvit_mm.backbones.vitas import ViTAS, ViTASHead
from nasvit_mm.backbones.vitas_twins import TwinsViTAS, TwinsViTASHead

__all__ = [
    'FAMILIES',
    'ElasticBackbone',
    'ElasticClassifier',
    'ElasticViT',
    'NASViT',
    'TwinsViTAS',
    'ViTAS',
    'create_model',
    'plain_types',
]

# Space -> (backbone, classification head).
FAMILIES = {
    space: family
    for family in (
        (NASViT, NASViTHead),
        (ElasticViT, ElasticViTHead),
        (ViTAS, ViTASHead),
        (TwinsViTAS, TwinsViTASHead),
    )
    for space in family[0].spaces
}

# Bare names work too once this room is imported: other registries fall back to mmengine's root.
for _backbone in {backbone for backbone, _ in FAMILIES.values()}:
    if _ROOT.module_dict.get(_backbone.__name__) is None:
        _ROOT.register_module(module=_backbone)
