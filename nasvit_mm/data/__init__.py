"""Users' data: images in folders, splits, per-image seeding, and checks of data sets."""

from nasvit_mm.data.checks import (
    NamedPipeline,
    check_categories,
    check_files,
    check_same_classes,
    inner_datasets,
)
from nasvit_mm.data.classes import class_names
from nasvit_mm.data.folders import check_data
from nasvit_mm.data.image_folder import ImageFolder
from nasvit_mm.data.seeding import (
    ImageIndex,
    SeededEpochSampler,
    SeededInfiniteSampler,
    SeedTransforms,
    seed_everything,
)
from nasvit_mm.data.split import SplitDataset

__all__ = [
    'ImageIndex',
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
    'class_names',
    'inner_datasets',
    'seed_everything',
]
