"""Built-in demo data: drawn scenes with exact labels, written in public data sets' layouts."""

from .ade20k import ADE20K_INDEX, write_ade20k
from .cityscapes import CITYSCAPES_INDEX, write_cityscapes
from .classes import CLASSES, THINGS, VOID, Label
from .coco import COCO_IDS, COCO_NAMES, write_coco
from .folder import Written
from .patches import write_patches
from .scenes import Instance, Scene, render_scene

__all__ = [
    'ADE20K_INDEX',
    'CITYSCAPES_INDEX',
    'CLASSES',
    'COCO_IDS',
    'COCO_NAMES',
    'THINGS',
    'VOID',
    'Instance',
    'Label',
    'Scene',
    'Written',
    'render_scene',
    'write_ade20k',
    'write_cityscapes',
    'write_coco',
    'write_patches',
]
