"""Learning class maps from a segmentor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from nasvit_mm.dense import ClassMaps, StepOutput, binary, by_sigmoid, definer, image_meta, kind_of
from nasvit_mm.errors import UsageError
from nasvit_mm.teacher.classes import Order
from nasvit_mm.teacher.losses import (
    ON,
    Part,
    channel_divergence,
    check_learns,
    pixel_divergence,
    read_part,
    resized,
)

PIXEL, CHANNEL = Part(1.0, 1.0), Part(3.0, 4.0)
# Heads whose prediction is no logits: the sum over queries of class times mask.
SCORES = {'Mask2FormerHead', 'MaskFormerHead', 'SideAdapterCLIPHead'}
# What a decode head's channels are.
CLASSES = 'one of several classes'
ONE = 'one of two classes by a sigmoid'
EACH = 'each class by a sigmoid of its own'


class MapLessons:
    """What a segmentor learns from another one: the classes of each pixel, and where each is.

    Args:
        student: the model that learns.
        pixel: weight and temperature of :func:`pixel_divergence`; None: without.
        channel: of :func:`channel_divergence`; None: without.
    """

    def __init__(
        self,
        student: nn.Module,
        pixel: Mapping[str, Any] | None = ON,
        channel: Mapping[str, Any] | None = ON,
    ) -> None:
        self.student = [student]  # in a list: no part of whatever holds the lessons
        self.form = _form(student)
        self.parts = {
            'pixel': (pixel_divergence, read_part('pixel', pixel, PIXEL)),
            'channel': (channel_divergence, read_part('channel', channel, CHANNEL)),
        }
        check_learns({name: part for name, (_, part) in self.parts.items()})

    drops_classes = False  # a pixel is of one of the classes
    any_scale = True  # maps are brought to one grid
    align_corners = False  # as the teacher's head brings them to the images

    @classmethod
    def fits(cls, student: nn.Module) -> bool:
        return isinstance(kind_of(student).answers(student), ClassMaps)

    def check(self, teacher: nn.Module) -> None:
        """Check that a teacher answers in a form that ours can be compared with.

        Raises:
            UsageError: names both.
        """
        if not hasattr(teacher, 'encode_decode'):
            raise UsageError(
                f'the teacher is a {type(teacher).__name__}, and a segmentor learns from a '
                'segmentor of mmseg: give the config of one'
            )
        ours, theirs = self.form, _form(teacher)
        if (ours == EACH) != (theirs == EACH):
            raise UsageError(
                f'the teacher predicts {theirs}, the model {ours}: give a teacher whose head '
                'decides as that of the model does (use_sigmoid of loss_decode, out_channels)'
            )
        head = _head(teacher)
        self.align_corners = _is_plain(head) and bool(head.align_corners)

    def answers(self, teacher: nn.Module, images: Tensor, order: Order | None) -> list[Tensor]:
        """Return the teacher's logits of images (N, 3, H, W), one tensor, on the grid of its head,
        in the form and the order of our classes.
        """
        height, width = images.shape[-2:]
        head = _head(teacher)
        # Of heads that predict masks of queries on a grid of their own: that of stride 4.
        meta = image_meta((-(-height // 4), -(-width // 4)))
        with ExitStack() as stack:
            if _is_plain(head):  # it would resize to the image
                own = mock.patch.object(head, 'predict_by_feat', lambda logits, metas: logits)
                stack.enter_context(own)
            maps = teacher.encode_decode(images, [meta] * len(images)).float()
        if _scores(head):
            maps = maps.clamp(min=1e-6).log()
        elif by_sigmoid(head):
            # One channel is the second of two classes: half of it speaks against the first.
            maps = torch.cat([-maps, maps], 1) / 2 if maps.shape[1] == 1 else binary(maps)
        if order is not None:
            maps = maps.index_select(maps.dim() - 3, torch.tensor(order, device=maps.device))
        if self.form == ONE:
            maps = binary(maps[:, 1:] - maps[:, :1])
        return [maps]  # (N, C, h, w), by sigmoids (N, 2, C, h, w)

    def losses(self, output: StepOutput, target: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the weighted losses by name, of the model's output and the teacher's answers.

        The teacher's logits are brought to our grid.
        """
        (logits, *_) = output.logits  # of PointRend's the coarse map
        right = resized(target[0], logits, self.align_corners)
        return {
            name: part.weight * function(logits, right, part.temperature)
            for name, (function, part) in self.parts.items()
            if part
        }


def _head(model: nn.Module) -> nn.Module:
    """Return the decode head whose output is the prediction."""
    head = model.decode_head
    return head[-1] if isinstance(head, nn.ModuleList) else head


def _is_plain(head: nn.Module) -> bool:
    """Return whether a head gives its logits as they are, for the images' size to be made of."""
    return definer(head, 'predict_by_feat') == 'BaseDecodeHead'


def _form(model: nn.Module) -> str:
    head = _head(model)
    if _scores(head) or not by_sigmoid(head):
        return CLASSES
    return ONE if head.out_channels == 1 else EACH


def _scores(head: nn.Module) -> bool:
    return any(kind.__name__ in SCORES for kind in type(head).__mro__)
