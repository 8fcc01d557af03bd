"""What all elastic backbones share: active architecture, taps, weight sharing, heads."""

from nasvit_mm.backbones.base import (
    ElasticBackbone,
    Tap,
    image_channels,
    load_pretrained_init,
    register_backbone,
)
from nasvit_mm.backbones.block import Block
from nasvit_mm.backbones.classifier import ClassifierForward, ElasticClassifier, create_model
from nasvit_mm.backbones.head import ElasticHead
from nasvit_mm.backbones.hybrid import HybridBackbone, Plan
from nasvit_mm.backbones.shared import Rule, SharedWeightBackbone
from nasvit_mm.backbones.timm_model import AroundBackbone, ElasticFeatures, TimmModel
from nasvit_mm.family import FAMILIES
from nasvit_mm.registry import MODELS

__all__ = [
    'AroundBackbone',
    'Block',
    'ClassifierForward',
    'ElasticBackbone',
    'ElasticClassifier',
    'ElasticFeatures',
    'ElasticHead',
    'HybridBackbone',
    'Plan',
    'Rule',
    'SharedWeightBackbone',
    'Tap',
    'TimmModel',
    'create_model',
    'image_channels',
    'load_pretrained_init',
    'register_backbone',
]

# Importing the networks registers them, under bare names in any OpenMMLab config too.
for _family in FAMILIES.unique():
    _family.import_network()


def __getattr__(name: str) -> type[ElasticBackbone]:
    """Return a registered backbone by its name, ``nasvit_mm.backbones.NASViT``."""
    found = MODELS.module_dict.get(name)
    if isinstance(found, type) and issubclass(found, ElasticBackbone):
        return found
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
