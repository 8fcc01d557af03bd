"""This project's registries.

``type='nasvit_mm.X'`` in any OpenMMLab config imports this module by itself, and the first look-up
imports the rooms named in ``locations``: no ``custom_imports`` is needed.
"""

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry

__all__ = [
    'COSTS',
    'DATASETS',
    'DATA_SAMPLERS',
    'HOOKS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'MODEL_WRAPPERS',
    'SUBNET_EVALUATORS',
    'TRANSFORMS',
    'WEIGHT_INITIALIZERS',
]


def _registry(name: str, parent: Registry, *rooms: str) -> Registry:
    locations = [f'nasvit_mm.{room}' for room in rooms]
    return Registry(name, parent=parent, scope='nasvit_mm', locations=locations)


MODELS = _registry(
    'model', mmengine_registry.MODELS, 'backbones', 'dense', 'classification', 'supernet'
)
MODEL_WRAPPERS = _registry('model wrapper', mmengine_registry.MODEL_WRAPPERS, 'supernet')
WEIGHT_INITIALIZERS = _registry(
    'weight initializer', mmengine_registry.WEIGHT_INITIALIZERS, 'checkpoints'
)
DATASETS = _registry('dataset', mmengine_registry.DATASETS, 'data')
LOOPS = _registry('loop', mmengine_registry.LOOPS, 'supernet')
METRICS = _registry('metric', mmengine_registry.METRICS, 'classification')
DATA_SAMPLERS = _registry('data sampler', mmengine_registry.DATA_SAMPLERS, 'data')
TRANSFORMS = _registry('transform', mmengine_registry.TRANSFORMS, 'data')
HOOKS = _registry('hook', mmengine_registry.HOOKS, 'runtime', 'dense', 'supernet')
# What is known of a candidate of a search, and what measures it; OpenMMLab has no such registries.
COSTS = Registry('cost', scope='nasvit_mm', locations=['nasvit_mm.search'])
SUBNET_EVALUATORS = Registry('subnet evaluator', scope='nasvit_mm', locations=['nasvit_mm.search'])
