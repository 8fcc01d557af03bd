"""What training adds to mmengine: reproducible data and steps; mistakes named before they cost."""

from nasvit_mm.engine.buffers import ShareBuffers, share_buffers
from nasvit_mm.engine.checks import CheckData
from nasvit_mm.engine.data_files import check_data
from nasvit_mm.engine.disk import disk_errors, write_text
from nasvit_mm.engine.errors import DataError, UsageError, shown_path
from nasvit_mm.engine.models import (
    add_own_hooks,
    build_model,
    check_architectures,
    check_channels,
    fit_channels,
    task_model,
    unwrapped,
)
from nasvit_mm.engine.options import (
    check_schedule,
    enable_amp,
    enable_auto_scale_lr,
    enable_tensorboard,
    loaders_without_workers,
    set_steps_per_epoch,
)
from nasvit_mm.engine.processes import end_processes, start_processes
from nasvit_mm.engine.scores import evaluated
from nasvit_mm.engine.seeding import (
    Draw,
    SeededEpochSampler,
    SeededInfiniteSampler,
    SeedIterations,
    SeedTransforms,
    kept_randomness,
    seed_everything,
)
from nasvit_mm.engine.split import SplitDataset
from nasvit_mm.engine.weights import (
    check_backbone_fits,
    check_checkpoint_exists,
    check_checkpoint_fits,
    check_pretrained,
    latest_checkpoint,
    load_weights,
)

__all__ = [
    'CheckData',
    'DataError',
    'Draw',
    'SeedIterations',
    'SeedTransforms',
    'SeededEpochSampler',
    'SeededInfiniteSampler',
    'ShareBuffers',
    'SplitDataset',
    'UsageError',
    'add_own_hooks',
    'build_model',
    'check_architectures',
    'check_backbone_fits',
    'check_channels',
    'check_checkpoint_exists',
    'check_checkpoint_fits',
    'check_data',
    'check_pretrained',
    'check_schedule',
    'disk_errors',
    'enable_amp',
    'enable_auto_scale_lr',
    'enable_tensorboard',
    'end_processes',
    'evaluated',
    'fit_channels',
    'kept_randomness',
    'latest_checkpoint',
    'load_weights',
    'loaders_without_workers',
    'seed_everything',
    'set_steps_per_epoch',
    'share_buffers',
    'shown_path',
    'start_processes',
    'task_model',
    'unwrapped',
    'write_text',
]
