"""Training a supernet: which subnets, which losses, and how their gradients become one."""

from nasvit_mm.supernet.conflict import Conflict, cosine, project_conflict, sum_gradients
from nasvit_mm.supernet.distill import Distillation, Teachers
from nasvit_mm.supernet.hooks import SupernetState
from nasvit_mm.supernet.loading import (
    inner_model,
    load_supernet,
    read_checkpoint,
    read_supernet_config,
)
from nasvit_mm.supernet.losses import adaptive_alpha_divergence, mixed_teachers, soft_cross_entropy
from nasvit_mm.supernet.model import NonFiniteLoss, Supernet
from nasvit_mm.supernet.parallel import SupernetParallel
from nasvit_mm.supernet.samplers import (
    LARGEST,
    SAMPLED,
    SAMPLERS,
    SMALLEST,
    BankSampler,
    Choice,
    LevelSampler,
    MemoryBank,
    SandwichSampler,
    SinglePathSampler,
    SubnetSampler,
    UniformSampler,
    find_identity_probability,
)
from nasvit_mm.supernet.tasks import TASKS, TaskAdapter, TaskOutput, task_of
from nasvit_mm.supernet.validation import (
    SubnetTestLoop,
    SubnetValLoop,
    calibrated,
    check_phase,
    over_phases,
)

__all__ = [
    'LARGEST',
    'SAMPLED',
    'SAMPLERS',
    'SMALLEST',
    'TASKS',
    'BankSampler',
    'Choice',
    'Conflict',
    'Distillation',
    'LevelSampler',
    'MemoryBank',
    'NonFiniteLoss',
    'SandwichSampler',
    'SinglePathSampler',
    'SubnetSampler',
    'SubnetTestLoop',
    'SubnetValLoop',
    'Supernet',
    'SupernetParallel',
    'SupernetState',
    'TaskAdapter',
    'TaskOutput',
    'Teachers',
    'UniformSampler',
    'adaptive_alpha_divergence',
    'calibrated',
    'check_phase',
    'cosine',
    'find_identity_probability',
    'inner_model',
    'load_supernet',
    'mixed_teachers',
    'over_phases',
    'project_conflict',
    'read_checkpoint',
    'read_supernet_config',
    'soft_cross_entropy',
    'sum_gradients',
    'task_of',
]
