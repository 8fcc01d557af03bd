"""Users' data: images in folders, splits, per-image seeding, and checks of data sets."""

from nasvit_mm.data.boxes import look_at_boxes
from nasvit_mm.data.checks import (
    NamedPipeline,
    check_categories,
    check_files,
    check_same_classes,
    inner_datasets,
    own_transforms,
    wrapped_datasets,
)
from nasvit_mm.data.classes import class_names
from nasvit_mm.data.classified import ClassifiedImages
from nasvit_mm.data.coco_files import datasets_in, reads_coco
from nasvit_mm.data.coco_json import check_coco, read_coco
from nasvit_mm.data.contents import check_contents
from nasvit_mm.data.folders import check_data
from nasvit_mm.data.image_folder import ImageFolder
from nasvit_mm.data.images import files_below, read_header, read_pixels
from nasvit_mm.data.known_places import FETCHED
from nasvit_mm.data.label_maps import (
    LabelCounts,
    check_masks_without_images,
    look_at_label_maps,
    mask_loader,
)
from nasvit_mm.data.pass_cache import PassCache, sample
from nasvit_mm.data.report import Problems, some, some_clauses, with_progress
from nasvit_mm.data.seeding import (
    ImageIndex,
    SeededEpochSampler,
    SeededInfiniteSampler,
    SeedTransforms,
    seed_everything,
    seed_image,
)
from nasvit_mm.data.shards import TarShards
from nasvit_mm.data.shared_images import SharedImages
from nasvit_mm.data.split import SplitDataset
from nasvit_mm.data.unlabelled import predict_unlabelled
from nasvit_mm.data.wide_labels import keep_wide_labels

__all__ = [
    'FETCHED',
    'ClassifiedImages',
    'ImageFolder',
    'ImageIndex',
    'LabelCounts',
    'NamedPipeline',
    'PassCache',
    'Problems',
    'SeedTransforms',
    'SeededEpochSampler',
    'SeededInfiniteSampler',
    'SharedImages',
    'SplitDataset',
    'TarShards',
    'check_categories',
    'check_coco',
    'check_contents',
    'check_data',
    'check_files',
    'check_masks_without_images',
    'check_same_classes',
    'class_names',
    'datasets_in',
    'files_below',
    'inner_datasets',
    'keep_wide_labels',
    'look_at_boxes',
    'look_at_label_maps',
    'mask_loader',
    'predict_unlabelled',
    'read_coco',
    'read_header',
    'read_pixels',
    'reads_coco',
    'sample',
    'seed_everything',
    'seed_image',
    'own_transforms',
    'some',
    'some_clauses',
    'with_progress',
    'wrapped_datasets',
]
