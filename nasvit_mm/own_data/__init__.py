"""A user's own data: the layout they lie in, splits, a sheet of images, a task's configs."""

from nasvit_mm.own_data.choices import Choices, in_time
from nasvit_mm.own_data.configs import METRICS, SHORT
from nasvit_mm.own_data.detect import TASKS, find_layout
from nasvit_mm.own_data.lay_out import lay_out_boxes, with_palette
from nasvit_mm.own_data.make import SHEET, new_task, write_configs
from nasvit_mm.own_data.names import Colour, made_up
from nasvit_mm.own_data.sheet import contact_sheet, with_boxes
from nasvit_mm.own_data.tables import described

__all__ = [
    'Choices',
    'Colour',
    'METRICS',
    'SHEET',
    'SHORT',
    'TASKS',
    'contact_sheet',
    'described',
    'find_layout',
    'in_time',
    'lay_out_boxes',
    'made_up',
    'new_task',
    'with_boxes',
    'with_palette',
    'write_configs',
]
