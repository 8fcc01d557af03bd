"""What training adds to mmengine: reproducible data and steps, checks of the data."""
from nasvit_mm.engine.checks import CheckData, DataError
from nasvit_mm.engine.seeding import (
    Draw,
    SeededInfiniteSampler,
    SeedIterations,
    SeedTransforms,
    seed_everything,
)

__all__ = ['CheckData', 'DataError', 'Draw', 'SeedIterations', 'SeedTransforms',
           'SeededInfiniteSampler', 'seed_everything']
