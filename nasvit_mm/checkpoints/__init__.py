"""Checkpoints: one reader; converting official ones; extracting subnets from supernets."""

from nasvit_mm.checkpoints.convert import convert_official
from nasvit_mm.checkpoints.extract import extract_state, extract_subnet
from nasvit_mm.checkpoints.lay_in import fill, lay_in
from nasvit_mm.checkpoints.network import (
    Network,
    check_available,
    describe,
    differing_fields,
    lay_network_in,
    left_over,
    member_of,
    read_network,
)
from nasvit_mm.checkpoints.pretrained import PretrainedBackbone
from nasvit_mm.checkpoints.reading import (
    Checkpoint,
    check_checkpoint_exists,
    find_damage,
    find_nan,
    read_checkpoint,
    unlike,
    weights_in,
    weights_only,
)
from nasvit_mm.checkpoints.writing import save_weights

__all__ = [
    'Checkpoint',
    'Network',
    'PretrainedBackbone',
    'check_available',
    'check_checkpoint_exists',
    'convert_official',
    'describe',
    'differing_fields',
    'extract_state',
    'extract_subnet',
    'fill',
    'find_damage',
    'find_nan',
    'lay_in',
    'lay_network_in',
    'left_over',
    'member_of',
    'read_checkpoint',
    'read_network',
    'save_weights',
    'unlike',
    'weights_in',
    'weights_only',
]
