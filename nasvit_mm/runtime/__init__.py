"""Additions to mmengine's training: processes, seeding, resume, options, schedules."""

from nasvit_mm.runtime.buffers import ShareBuffers, share_buffers
from nasvit_mm.runtime.disk import disk_errors
from nasvit_mm.runtime.metrics import evaluated
from nasvit_mm.runtime.options import (
    enable_amp,
    enable_auto_scale_lr,
    enable_tensorboard,
    loaders_without_workers,
)
from nasvit_mm.runtime.processes import end_processes, start_processes, unwrapped
from nasvit_mm.runtime.resume import latest_checkpoint
from nasvit_mm.runtime.schedule import check_schedule, set_steps_per_epoch
from nasvit_mm.runtime.seeding import SeedIterations, kept_randomness

__all__ = [
    'SeedIterations',
    'ShareBuffers',
    'check_schedule',
    'disk_errors',
    'enable_amp',
    'enable_auto_scale_lr',
    'enable_tensorboard',
    'end_processes',
    'evaluated',
    'kept_randomness',
    'latest_checkpoint',
    'loaders_without_workers',
    'set_steps_per_epoch',
    'share_buffers',
    'start_processes',
    'unwrapped',
]
