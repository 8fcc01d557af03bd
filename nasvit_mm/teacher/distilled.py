"""``Distilled``: a model with one architecture, or none of ours, that learns from a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from torch import Tensor, nn

from nasvit_mm.config import type_name
from nasvit_mm.dense import StepOutput, kind_of
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import HOOKS, MODELS
from nasvit_mm.runtime import unwrapped
from nasvit_mm.teacher.teacher import Teacher, check_files, options_of


class Learns:
    """What a model of mmseg or mmdet gains that learns from a teacher: its loss in training has
    parts more, ``teacher.loss_...``.  In everything else it is the model that it was.
    """

    teacher: Teacher

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Any]:
        if not self.training:
            return super().loss(inputs, data_samples)
        theirs = self.teacher(inputs)
        answers = kind_of(self).answers(self)
        with ExitStack() as stack:
            answers.listen(stack, None)
            losses = super().loss(inputs, data_samples)
        output = StepOutput(loss=torch.zeros(()), rare=answers.rare, **answers.read(None))
        learnt = self.teacher.losses(output, theirs)
        return {**losses, **{f'teacher.loss_{name}': loss for name, loss in learnt.items()}}


@MODELS.register_module(name='Distilled')
def distilled(
    model: Mapping[str, Any],
    teacher: Mapping[str, Any],
    data_preprocessor: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build a model that learns from a teacher, beside its labels.

    It is of the model's own class, extended: names of weights, and so checkpoints, are those of the
    model alone, which the plain config loads.

    Args:
        model: config of a segmentor, an exported one or any of mmseg's.
        teacher: of :class:`Teacher`.
        data_preprocessor: of the model, where its own config has none.

    Raises:
        UsageError: see :class:`Teacher`; a supernet, which takes a teacher itself.
    """
    if type_name(model) == 'Supernet':
        raise UsageError(
            'a supernet takes its teacher itself: give model.teacher of the type '
            'nasvit_mm.Supernet, and no nasvit_mm.Distilled around it'
        )
    if data_preprocessor is not None:
        model = {'data_preprocessor': data_preprocessor, **model}
    student = MODELS.build(model)
    own = type(student)
    student.teacher = Teacher(student, **options_of(teacher))
    student.__class__ = type(own.__name__, (Learns, own), {'__module__': own.__module__})
    return student


distilled.hooks = ('nasvit_mm.MeetTeacher',)


@HOOKS.register_module()
class MeetTeacher(Hook):
    """Has the teacher of a :func:`distilled` model built before the first step, for the classes
    of the training data.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        model = unwrapped(runner.model)
        if not isinstance(model, Learns):
            raise UsageError(
                f'the hook MeetTeacher is for a model of the type nasvit_mm.Distilled, not '
                f'{type(model).__name__}: leave it out of custom_hooks'
            )
        model.teacher.begin(runner)


def take_teacher(cfg: Config) -> None:
    """Give the model of a config the teacher that the config names beside it, ``teacher``, and
    check that the teacher's files exist.

    Raises:
        UsageError: it is no mapping, the model has one already, or a file does not exist.
    """
    given = cfg.pop('teacher', None)
    if given is not None:
        given = options_of(given)
        if cfg.model.get('teacher'):
            raise UsageError(
                'the config has two teachers, teacher and model.teacher: leave one out, '
                'teacher=None'
            )
        if type_name(cfg.model) == 'Supernet':
            cfg.model.teacher = given
        else:
            given.pop('subnets', None)  # an export's config has it of its supernet's
            cfg.model = dict(type='nasvit_mm.Distilled', model=cfg.model, teacher=given)
    teacher = cfg.model.get('teacher')
    if type_name(cfg.model) in ('Supernet', 'Distilled') and isinstance(teacher, Mapping):
        check_files(teacher.get('config'), teacher.get('checkpoint'))
