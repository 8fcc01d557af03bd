"""A candidate on its way to training."""

from nasvit_mm.search.handover.as_run import export_command, write_as_run
from nasvit_mm.search.handover.card import CONFIG, metrics_line
from nasvit_mm.search.handover.choose import (
    Choice,
    best_of,
    choose,
    export_choice,
    searched_in_task,
    supernet_options,
    task_evaluator,
    unlike_search,
)
from nasvit_mm.search.handover.export import Exported, check_folder, export_model, export_subnet

__all__ = [
    'CONFIG',
    'Choice',
    'Exported',
    'best_of',
    'check_folder',
    'choose',
    'export_choice',
    'export_command',
    'export_model',
    'export_subnet',
    'metrics_line',
    'searched_in_task',
    'supernet_options',
    'task_evaluator',
    'unlike_search',
    'write_as_run',
]
