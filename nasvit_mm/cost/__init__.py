"""What an architecture costs, known before anything is built: multiply-adds and parameters."""
from nasvit_mm.cost.count import Cost, count
from nasvit_mm.cost.trace import trace

__all__ = ['Cost', 'count', 'trace']
