"""This project's registries.

``type='nasvit_mm.X'`` in any OpenMMLab config imports this module by itself, and the first look-up
imports the rooms named in ``locations``: no ``custom_imports`` is needed.
"""

import inspect
from typing import Any

from nasvit_mm.engine import ROOTS, Registry

__all__ = [
    'ALGORITHMS',
    'CONFLICT_RULES',
    'COSTS',
    'DATASETS',
    'DATA_SAMPLERS',
    'HOOKS',
    'KINDS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'MODEL_WRAPPERS',
    'OPERATORS',
    'OPTIM_WRAPPER_CONSTRUCTORS',
    'SAMPLERS',
    'SUBNET_EVALUATORS',
    'TRANSFORMS',
    'WEIGHT_INITIALIZERS',
    'registered',
]


def _registry(name: str, parent: str, *rooms: str) -> Registry:
    """Return a child of one of mmengine's registries."""
    locations = [f'nasvit_mm.{room}' for room in rooms]
    root = getattr(ROOTS, parent, None)
    return Registry(name, parent=root, scope='nasvit_mm', locations=locations)


MODELS = _registry('model', 'MODELS', 'backbones', 'dense', 'classification', 'teacher', 'supernet')
MODEL_WRAPPERS = _registry('model wrapper', 'MODEL_WRAPPERS', 'supernet')
WEIGHT_INITIALIZERS = _registry('weight initializer', 'WEIGHT_INITIALIZERS', 'checkpoints')
DATASETS = _registry('dataset', 'DATASETS', 'data')
LOOPS = _registry('loop', 'LOOPS', 'supernet')
METRICS = _registry('metric', 'METRICS', 'classification')
DATA_SAMPLERS = _registry('data sampler', 'DATA_SAMPLERS', 'data')
TRANSFORMS = _registry('transform', 'TRANSFORMS', 'data')
HOOKS = _registry('hook', 'HOOKS', 'runtime', 'dense', 'teacher', 'supernet')
OPTIM_WRAPPER_CONSTRUCTORS = _registry(
    'optimizer wrapper constructor', 'OPTIM_WRAPPER_CONSTRUCTORS', 'runtime'
)
# What is known of a kind of model beyond mmengine's contract; OpenMMLab has no registry for it.
KINDS = Registry(
    'kind of model', scope='nasvit_mm', locations=['nasvit_mm.dense', 'nasvit_mm.classification']
)
# What is known of a candidate of a search, and what measures it; OpenMMLab has no such registries.
COSTS = Registry('cost', scope='nasvit_mm', locations=['nasvit_mm.search'])
SUBNET_EVALUATORS = Registry('subnet evaluator', scope='nasvit_mm', locations=['nasvit_mm.search'])
# Which subnets a training step of a supernet takes, and how their gradients become one.
SAMPLERS = Registry('subnet sampler', scope='nasvit_mm', locations=['nasvit_mm.supernet'])
CONFLICT_RULES = Registry('conflict rule', scope='nasvit_mm', locations=['nasvit_mm.supernet'])
# What asks for candidates of a search, and what makes children of them.
ALGORITHMS = Registry('search algorithm', scope='nasvit_mm', locations=['nasvit_mm.search'])
OPERATORS = Registry('search operators', scope='nasvit_mm', locations=['nasvit_mm.search'])


def registered(registry: Registry, name: object) -> Any:
    """Return the class or function of a name, None where there is none.

    ``Registry.get`` imports what it does not know as a Python object: ``'random'`` would be the
    standard library's module.  Only names with a dot, as of a class of the user's, may be that.
    """
    name = str(name or '')
    registry.import_from_location()
    found = registry.get(name) if '.' in name else registry.module_dict.get(name)
    return found if inspect.isclass(found) or inspect.isfunction(found) else None
