"""A user's own data: the layout they lie in, splits, a sheet of images, a task's configs."""

from nasvit_mm.own_data.choices import Choices, choose, in_time
from nasvit_mm.own_data.configs import METRICS, SHORT
from nasvit_mm.own_data.detect import TASKS, find_layout
from nasvit_mm.own_data.make import ABOUT, SHEET, NewTask, new_task, write_configs
from nasvit_mm.own_data.sheet import contact_sheet, mixed, with_boxes
from nasvit_mm.own_data.tables import conversion_table, counts_table

__all__ = [
    'ABOUT',
    'Choices',
    'METRICS',
    'NewTask',
    'SHEET',
    'SHORT',
    'TASKS',
    'choose',
    'contact_sheet',
    'conversion_table',
    'counts_table',
    'find_layout',
    'in_time',
    'mixed',
    'new_task',
    'with_boxes',
    'write_configs',
]
