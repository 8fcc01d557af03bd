"""Additions to mmengine's training: processes, seeding, resume, options, schedules."""

from nasvit_mm.runtime.buffers import ShareBuffers, share_buffers
from nasvit_mm.runtime.config import config_name, read_config
from nasvit_mm.runtime.console import hide_debug_prints, short_console
from nasvit_mm.runtime.disk import check_folder, disk_errors
from nasvit_mm.runtime.keys import (
    RUNNER_KEYS,
    check_has_model,
    check_overrides,
    check_trains,
    is_search,
)
from nasvit_mm.runtime.metrics import evaluate_metrics
from nasvit_mm.runtime.options import (
    augment_tests,
    enable_amp,
    enable_auto_scale_lr,
    enable_tensorboard,
    loaders_without_workers,
    show_predictions,
    without_moving_average,
)
from nasvit_mm.runtime.parent import end_with_parent, end_with_starter, with_starter
from nasvit_mm.runtime.processes import end_processes, is_first, start_processes, unwrapped
from nasvit_mm.runtime.resume import (
    RefitSchedule,
    check_resumed,
    differences_table,
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

__all__ = [
    'RUNNER_KEYS',
    'RefitSchedule',
    'SeedIterations',
    'ShareBuffers',
    'augment_tests',
    'check_epochs',
    'check_folder',
    'check_has_model',
    'check_overrides',
    'check_resumed',
    'check_schedule',
    'check_trains',
    'config_name',
    'differences_table',
    'disk_errors',
    'enable_amp',
    'enable_auto_scale_lr',
    'enable_tensorboard',
    'end_processes',
    'end_with_parent',
    'end_with_starter',
    'evaluate_metrics',
    'fit_schedule',
    'hide_debug_prints',
    'is_first',
    'is_search',
    'kept_randomness',
    'latest_checkpoint',
    'loaders_without_workers',
    'read_config',
    'run_length',
    'set_steps_per_epoch',
    'share_buffers',
    'short_console',
    'show_predictions',
    'start_processes',
    'unwrapped',
    'with_starter',
    'without_moving_average',
]
