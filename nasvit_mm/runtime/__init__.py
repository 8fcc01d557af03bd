"""Additions to mmengine's training: processes, seeding, resume, options, schedules."""

from nasvit_mm.runtime.average import ExponentialMovingAverage
from nasvit_mm.runtime.buffers import ShareBuffers, share_buffers
from nasvit_mm.runtime.checkpoints import WholeCheckpoints, keep_checkpoints_whole, whole_files
from nasvit_mm.runtime.config import config_name, read_config
from nasvit_mm.runtime.console import PlainConsole, hide_debug_prints, quiet_packages, short_console
from nasvit_mm.runtime.curves import DrawCurves
from nasvit_mm.runtime.disk import check_folder, disk_errors
from nasvit_mm.runtime.finite import SKIPPED, NonFiniteLoss, StopAtNaN
from nasvit_mm.runtime.groups import (
    GroupedOptimWrapperConstructor,
    RegroupOptimizer,
    group_parameters,
)
from nasvit_mm.runtime.keys import (
    RUNNER_KEYS,
    check_has_model,
    check_overrides,
    check_trains,
    is_search,
)
from nasvit_mm.runtime.lock import locked
from nasvit_mm.runtime.metrics import evaluate_metrics
from nasvit_mm.runtime.options import (
    augment_tests,
    enable_amp,
    enable_auto_scale_lr,
    enable_tensorboard,
    loaders_without_workers,
    pin_loaders,
    show_predictions,
    without_moving_average,
)
from nasvit_mm.runtime.parent import end_with_parent, end_with_starter, with_starter
from nasvit_mm.runtime.processes import end_processes, is_first, start_processes, unwrapped
from nasvit_mm.runtime.read_keys import warn_of_unmatched
from nasvit_mm.runtime.resume import (
    RefitSchedule,
    check_resumed,
    checkpoint_to_resume,
    differences_table,
    differing_processes,
    handed_over,
    latest_checkpoint,
)
from nasvit_mm.runtime.schedule import (
    check_epochs,
    check_schedule,
    fit_schedule,
    run_length,
    set_steps_per_epoch,
)
from nasvit_mm.runtime.seeding import SeedIterations, kept_randomness
from nasvit_mm.runtime.values import warn_of_values

__all__ = [
    'DrawCurves',
    'ExponentialMovingAverage',
    'GroupedOptimWrapperConstructor',
    'NonFiniteLoss',
    'PlainConsole',
    'RUNNER_KEYS',
    'RefitSchedule',
    'RegroupOptimizer',
    'SKIPPED',
    'SeedIterations',
    'ShareBuffers',
    'StopAtNaN',
    'WholeCheckpoints',
    'augment_tests',
    'check_epochs',
    'check_folder',
    'check_has_model',
    'check_overrides',
    'check_resumed',
    'check_schedule',
    'check_trains',
    'checkpoint_to_resume',
    'config_name',
    'differences_table',
    'differing_processes',
    'disk_errors',
    'enable_amp',
    'enable_auto_scale_lr',
    'enable_tensorboard',
    'end_processes',
    'end_with_parent',
    'end_with_starter',
    'evaluate_metrics',
    'fit_schedule',
    'group_parameters',
    'handed_over',
    'hide_debug_prints',
    'is_first',
    'is_search',
    'keep_checkpoints_whole',
    'kept_randomness',
    'latest_checkpoint',
    'loaders_without_workers',
    'pin_loaders',
    'locked',
    'quiet_packages',
    'read_config',
    'run_length',
    'set_steps_per_epoch',
    'share_buffers',
    'short_console',
    'show_predictions',
    'start_processes',
    'unwrapped',
    'warn_of_unmatched',
    'warn_of_values',
    'whole_files',
    'with_starter',
    'without_moving_average',
]
