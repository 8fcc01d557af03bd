"""What an architecture costs, known before anything is built: multiply-adds and parameters."""

from nasvit_mm.cost.count import FAMILIES, Cost, count
from nasvit_mm.cost.model import ModelCost, count_model, prediction
from nasvit_mm.cost.trace import trace, trace_parts
from nasvit_mm.cost.window import WindowSampler

__all__ = [
    'FAMILIES',
    'Cost',
    'ModelCost',
    'WindowSampler',
    'count',
    'count_model',
    'prediction',
    'trace',
    'trace_parts',
]
