"""Users' data: pictures in folders, splits, seeding by picture, checks of what it says it is."""

from nasvit_mm.data.checks import (
    NamedPipeline,
    check_categories,
    check_files,
    check_same_classes,
    inner_datasets,
)
from nasvit_mm.data.folders import check_data
from nasvit_mm.data.image_folder import ImageFolder
from nasvit_mm.data.seeding import (
    Draw,
    SeededEpochSampler,
    SeededInfiniteSampler,
    SeedTransforms,
    seed_everything,
)
from nasvit_mm.data.split import SplitDataset

__all__ = [
    'Draw',
    'ImageFolder',
    'NamedPipeline',
    'SeedTransforms',
    'SeededEpochSampler',
    'SeededInfiniteSampler',
    'SplitDataset',
    'check_categories',
    'check_data',
    'check_files',
    'check_same_classes',
    'inner_datasets',
    'seed_everything',
]
