"""Samplers: which subnets a training step takes."""

from __future__ import annotations

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

__all__ = [
    'LARGEST',
    'SAMPLED',
    'SMALLEST',
    'BankSampler',
    'Choice',
    'LevelSampler',
    'MemoryBank',
    'SandwichSampler',
    'ShrinkingSampler',
    'SinglePathSampler',
    'SubnetSampler',
    'UniformSampler',
    'find_identity_probability',
]
