"""Learning from a dense teacher: any trained model by config and checkpoint."""

from nasvit_mm.teacher.cache import AnswerCache
from nasvit_mm.teacher.classes import class_order
from nasvit_mm.teacher.distilled import Learns, MeetTeacher, distilled, take_teacher
from nasvit_mm.teacher.images import Renormalise
from nasvit_mm.teacher.losses import channel_divergence, focal_mean, pixel_divergence, unexplained
from nasvit_mm.teacher.teacher import Teacher, options_of

__all__ = [
    'AnswerCache',
    'Learns',
    'MeetTeacher',
    'distilled',
    'take_teacher',
    'Renormalise',
    'Teacher',
    'channel_divergence',
    'class_order',
    'focal_mean',
    'options_of',
    'pixel_divergence',
    'unexplained',
]
