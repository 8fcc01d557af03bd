"""This project's registries.

``type='nasvit_mm.X'`` in any OpenMMLab config imports this module by itself, and the first look-up
imports the rooms named in ``locations``: no ``custom_imports`` is needed.
"""

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry

__all__ = [
    'DATASETS',
    'DATA_SAMPLERS',
    'HOOKS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'MODEL_WRAPPERS',
    'SUBNET_EVALUATORS',
    'TRANSFORMS',
]


def _registry(name: str, parent: Registry, *locations: str) -> Registry:
    return Registry(name, parent=parent, scope='nasvit_mm', locations=list(locations))


MODELS = _registry(
    'model',
    mmengine_registry.MODELS,
    'nasvit_mm.backbones',
    'nasvit_mm.classification',
    'nasvit_mm.supernet',
)
MODEL_WRAPPERS = _registry('model wrapper', mmengine_registry.MODEL_WRAPPERS, 'nasvit_mm.supernet')
DATASETS = _registry(
    'dataset', mmengine_registry.DATASETS, 'nasvit_mm.classification', 'nasvit_mm.engine'
)
LOOPS = _registry('loop', mmengine_registry.LOOPS, 'nasvit_mm.supernet')
METRICS = _registry('metric', mmengine_registry.METRICS, 'nasvit_mm.classification')
DATA_SAMPLERS = _registry('data sampler', mmengine_registry.DATA_SAMPLERS, 'nasvit_mm.engine')
TRANSFORMS = _registry('transform', mmengine_registry.TRANSFORMS, 'nasvit_mm.engine')
HOOKS = _registry('hook', mmengine_registry.HOOKS, 'nasvit_mm.engine', 'nasvit_mm.supernet')
# What measures a candidate of a search; OpenMMLab has no registry for it.
SUBNET_EVALUATORS = Registry('subnet evaluator', scope='nasvit_mm', locations=['nasvit_mm.search'])
