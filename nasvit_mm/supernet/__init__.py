"""Training a supernet: which subnets, which losses, and how their gradients are combined."""

from nasvit_mm.registry import SAMPLERS
from nasvit_mm.runtime import NonFiniteLoss
from nasvit_mm.supernet.conflict import Conflict, cosine, project_conflict, sum_gradients
from nasvit_mm.supernet.distill import Distillation, Teachers
from nasvit_mm.supernet.from_network import Made, make_supernet
from nasvit_mm.supernet.hooks import SupernetState
from nasvit_mm.supernet.loading import load_supernet, read_supernet_config
from nasvit_mm.supernet.losses import adaptive_alpha_divergence, mixed_teachers, soft_cross_entropy
from nasvit_mm.supernet.model import Supernet
from nasvit_mm.supernet.parallel import SupernetParallel
from nasvit_mm.supernet.samplers.bank import BankSampler, MemoryBank
from nasvit_mm.supernet.samplers.base import LARGEST, SAMPLED, SMALLEST, Choice, SubnetSampler
from nasvit_mm.supernet.samplers.levels import LevelSampler
from nasvit_mm.supernet.samplers.plain import (
    SandwichSampler,
    SinglePathSampler,
    UniformSampler,
    find_identity_probability,
)
from nasvit_mm.supernet.samplers.shrinking import ShrinkingSampler
from nasvit_mm.supernet.validation import (
    SubnetTestLoop,
    SubnetValLoop,
    calibrated,
    check_phase,
    over_phases,
)

__all__ = [
    'SAMPLERS',
    'BankSampler',
    'Choice',
    'Conflict',
    'Distillation',
    'LARGEST',
    'LevelSampler',
    'Made',
    'MemoryBank',
    'NonFiniteLoss',
    'SAMPLED',
    'SMALLEST',
    'SandwichSampler',
    'ShrinkingSampler',
    'SinglePathSampler',
    'SubnetSampler',
    'SubnetTestLoop',
    'SubnetValLoop',
    'Supernet',
    'SupernetParallel',
    'SupernetState',
    'Teachers',
    'UniformSampler',
    'adaptive_alpha_divergence',
    'calibrated',
    'check_phase',
    'cosine',
    'find_identity_probability',
    'load_supernet',
    'make_supernet',
    'mixed_teachers',
    'over_phases',
    'project_conflict',
    'read_supernet_config',
    'soft_cross_entropy',
    'sum_gradients',
]
