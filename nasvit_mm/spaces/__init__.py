"""Search spaces: tables of choices, genes <-> architecture, sampling, named architectures.

numpy only: nothing here imports torch.
"""

from nasvit_mm.spaces.arch import Arch, load_arch_file
from nasvit_mm.spaces.field import DEPTH, PATCH, RESOLUTION, ROLES, TASK, WIDTH, Field
from nasvit_mm.spaces.links import Forest, Link
from nasvit_mm.spaces.models import (
    EVALUATED,
    SUPERNET,
    find_model,
    how_to_get,
    list_models,
    weights_of,
)
from nasvit_mm.spaces.named import get_space, list_spaces
from nasvit_mm.spaces.slots import IDENTITY, SlotSpace
from nasvit_mm.spaces.space import Space, is_many
from nasvit_mm.spaces.task import GENES as TASK_GENES
from nasvit_mm.spaces.task import HEAD, OUTPUTS, SCALE, TAPS

__all__ = [
    'Arch',
    'DEPTH',
    'EVALUATED',
    'Field',
    'Forest',
    'HEAD',
    'IDENTITY',
    'Link',
    'OUTPUTS',
    'PATCH',
    'RESOLUTION',
    'ROLES',
    'SCALE',
    'SUPERNET',
    'SlotSpace',
    'Space',
    'TAPS',
    'TASK',
    'TASK_GENES',
    'WIDTH',
    'find_model',
    'get_space',
    'how_to_get',
    'is_many',
    'list_models',
    'list_spaces',
    'load_arch_file',
    'weights_of',
]
