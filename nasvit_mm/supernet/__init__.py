"""Training a supernet: which subnets, which losses, and how their gradients become one."""
from nasvit_mm.supernet.conflict import Conflict, cosine, project_conflict, sum_gradients
from nasvit_mm.supernet.losses import (
    adaptive_alpha_divergence,
    mixed_teachers,
    soft_cross_entropy,
)
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

__all__ = [
    'LARGEST', 'SAMPLED', 'SAMPLERS', 'SMALLEST', 'BankSampler', 'Choice', 'Conflict',
    'LevelSampler', 'MemoryBank', 'SandwichSampler', 'SinglePathSampler', 'SubnetSampler',
    'UniformSampler', 'adaptive_alpha_divergence', 'cosine', 'find_identity_probability',
    'mixed_teachers', 'project_conflict', 'soft_cross_entropy', 'sum_gradients',
]
