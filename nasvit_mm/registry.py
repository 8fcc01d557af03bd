"""This project's registry.

``type='nasvit_mm.X'`` in any OpenMMLab config imports this module by itself, and the first look-up
imports the rooms named in ``locations``: no ``custom_imports`` is needed.
"""
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import Registry

__all__ = ['MODELS']

MODELS = Registry('model', parent=MMENGINE_MODELS, scope='nasvit_mm',
                  locations=['nasvit_mm.backbones'])
