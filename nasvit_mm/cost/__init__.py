"""The cost of an architecture, known before anything is built: MACs and parameters.  numpy only."""

from nasvit_mm.cost.count import Cost, count
from nasvit_mm.cost.family import FamilyCost
from nasvit_mm.cost.window import WindowSampler

__all__ = ['Cost', 'FamilyCost', 'WindowSampler', 'count']
