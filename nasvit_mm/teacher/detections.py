"""Learning scores, boxes and features from a detector with dense heads."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn
from torchvision.ops import generalized_box_iou_loss

from nasvit_mm.dense import ScoreMaps, StepOutput, definer, kind_of
from nasvit_mm.errors import UsageError
from nasvit_mm.teacher.classes import Order
from nasvit_mm.teacher.losses import (
    ON,
    Part,
    check_learns,
    focal_mean,
    read_part,
    resized,
    unexplained,
)

SCORES, BOXES, FEATURES = Part(1.0, 1.0), Part(1.0), Part(1.0)
SURE = 0.1  # objects that the teacher gives less than this teach no boxes
# Heads by the class that defines loss_by_feat whose ``bbox_preds`` their bbox_coder decodes, of
# the priors of their prior_generator.
DECODED = {
    'AnchorHead',
    'ATSSHead',
    'CondInstBboxHead',
    'DDODHead',
    'FCOSHead',
    'FSAFHead',
    'PISARetinaHead',
    'PISASSDHead',
    'RTMDetHead',
    'RTMDetInsHead',
    'SSDHead',
}


class DetectionLessons:
    """What a detector with dense heads learns from another one: its class scores and boxes at every
    anchor or point, and the features that its head sees.

    Levels are compared with those of the same stride.

    Args:
        student: the model that learns.
        scores: weight and temperature of the KL divergence between class scores, weighed as a focal
            loss is (:func:`focal_mean`); None: without.
        boxes: weight of the loss of boxes, 1 - GIoU to the teacher's box of the same place, weighed
            by the square of how sure the teacher is of an object; None: without.
        features: weight of the part of the teacher's features that no linear map of ours explains
            (:func:`unexplained`); None: without.
    """

    def __init__(
        self,
        student: nn.Module,
        scores: Mapping[str, Any] | None = ON,
        boxes: Mapping[str, Any] | None = ON,
        features: Mapping[str, Any] | None = ON,
    ) -> None:
        self.student = [student]  # in a list: no part of whatever holds the lessons
        self.parts = {
            'scores': read_part('scores', scores, SCORES),
            'boxes': read_part('boxes', boxes, BOXES, ('weight',)),
            'features': read_part('features', features, FEATURES, ('weight',)),
        }
        check_learns(self.parts)
        self.levels: list[int] = []  # of the teacher, one for each of ours
        self.teacher: list[nn.Module] = []  # its head

    any_scale = False  # anchors and strides are of one size of the images

    @classmethod
    def fits(cls, student: nn.Module) -> bool:
        return isinstance(kind_of(student).answers(student), ScoreMaps)

    @property
    def form(self) -> list[Any]:
        """Return what answers depend on beside the teacher: its levels, and whether boxes are of
        them.
        """
        return self.levels if self.parts['boxes'] else [*self.levels, 'no boxes']

    @property
    def drops_classes(self) -> bool:
        """Return whether classes that the teacher alone has change nothing for the others."""
        return _by_sigmoid(_head(*self.student))

    def check(self, teacher: nn.Module) -> None:
        """Check that a teacher answers at the same places as the student, and remember its levels.

        Raises:
            UsageError: names what differs.
        """
        if not self.fits(teacher):
            raise UsageError(
                f'the teacher is a {type(teacher).__name__}, and a detector with dense heads '
                'learns from one of mmdet with dense heads, such as RetinaNet or RTMDet: give the '
                'config of one'
            )
        ours, theirs = _head(*self.student), _head(teacher)
        mine, others = _strides(ours), _strides(theirs)
        levels = _same_levels(mine, others)
        if levels is None:
            raise UsageError(
                f'the teacher has levels of strides {others}, the model of {mine}: give a teacher '
                'that has those too'
            )
        self.levels, self.teacher = levels, [theirs]
        if self.parts['scores']:
            _check_scores(ours, theirs)
            _check_anchors(ours, theirs, levels)
        if self.parts['boxes'] and not (_decodes(ours) and _decodes(theirs)):
            print_log(
                f'no boxes are learnt from the teacher: how to compare those of '
                f'{type(theirs).__name__} and {type(ours).__name__} is not known',
                logger='current',
            )
            self.parts['boxes'] = None
        if self.parts['boxes'] and ours.num_base_priors != theirs.num_base_priors:
            raise UsageError(
                f'the teacher has {theirs.num_base_priors} boxes at each place, the model '
                f'{ours.num_base_priors}: give a teacher with as many, or boxes=None'
            )
        units = [bool(getattr(head, 'norm_on_bbox', False)) for head in (theirs, ours)]
        if self.parts['boxes'] and units[0] != units[1]:
            raise UsageError(
                f'the teacher has norm_on_bbox = {units[0]} in its head, the model {units[1]}, so '
                'that one gives boxes in strides and the other in pixels: give a teacher with a '
                'head of the same, or boxes=None'
            )
        check_learns(self.parts)

    def answers(self, teacher: nn.Module, images: Tensor, order: Order | None) -> list[Tensor]:
        """Return what the teacher says of images (N, 3, H, W), at our levels, of our classes:
        logits of all levels, features, and boxes where it has any.
        """
        head, answers = _head(teacher), ScoreMaps(teacher)
        features = teacher.extract_feat(images)
        head.training = True  # some scale their outputs in predictions; its layers stay as they are
        outputs = head(features)
        head.training = False
        names = list(inspect.signature(head.loss_by_feat).parameters)
        logits, boxes = answers.said(dict(zip(names, outputs)))
        boxes = boxes if self.parts['boxes'] else None
        if order is not None:
            logits = [_ordered(z, order, head) for z in logits]
        return [maps[i].float() for maps in (logits, features, boxes) if maps for i in self.levels]

    def losses(self, output: StepOutput, target: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the weighted losses by name, of the model's output and the teacher's answers."""
        number, found = len(self.levels), {}
        if len(output.logits) != number:
            raise UsageError(
                f'the model answers at {len(output.logits)} levels, and of {number} the strides '
                f'are known: a {type(_head(*self.student)).__name__} cannot learn from a teacher, '
                'leave it out'
            )
        logits, features, boxes = (target[i * number : (i + 1) * number] for i in range(3))
        if part := self.parts['scores']:
            pairs = [(z.float(), resized(t, z)) for z, t in zip(output.logits, logits)]
            found['scores'] = part.weight * focal_mean(*_softened(pairs, part.temperature))
        if part := self.parts['boxes']:
            found['boxes'] = part.weight * self._boxes(output, boxes, logits)
        if part := self.parts['features']:
            pairs = [(x.float(), resized(t, x)) for x, t in zip(output.features, features)]
            found['features'] = part.weight * unexplained(pairs)
        return found

    def _boxes(
        self, output: StepOutput, right: Sequence[Tensor], logits: Sequence[Tensor]
    ) -> Tensor:
        (other,), total, weights = self.teacher, 0.0, 0.0
        head = _head(*self.student)
        for level, (ours, theirs, scores) in enumerate(zip(output.boxes, right, logits)):
            certain = _certain(resized(scores, ours), other)  # (N, H * W * anchors)
            image, place = (certain > SURE).nonzero(as_tuple=True)
            box = _decoded(head, level, ours, image, place)
            same = _decoded(other, self.levels[level], resized(theirs, ours), image, place)
            weight = certain[image, place].square()
            total = total + (weight * generalized_box_iou_loss(box, same)).sum()
            weights = weights + weight.sum()
        return total / weights.clamp(min=1)


def _head(model: nn.Module) -> nn.Module:
    return ScoreMaps(model).head


def _strides(head: nn.Module) -> list[tuple[int, ...]]:
    """Return the strides of a head's levels; of one that does not say, a single 0."""
    names = ('prior_generator', 'square_anchor_generator', 'approx_anchor_generator')
    holders = [*(getattr(head, name, None) for name in names), head]
    strides = next(filter(None, (getattr(each, 'strides', None) for each in holders)), [0])
    return [tuple(s) if isinstance(s, (tuple, list)) else (s, s) for s in strides]


def _same_levels(mine: Sequence[Any], others: Sequence[Any]) -> list[int] | None:
    """Return for each of our levels the place of the teacher's of the same stride, None where it
    has none; several of one stride, as SOLO's, come in their order.
    """
    free, found = list(range(len(others))), []
    for stride in mine:
        place = next((i for i in free if others[i] == stride), None)
        if place is None:
            return None
        free.remove(place)
        found.append(place)
    return found


def _by_sigmoid(head: nn.Module) -> bool:
    sigmoid = getattr(head, 'use_sigmoid_cls', None)
    loss = getattr(head, 'loss_cls', None)  # CenterNet's has another name, and is of sigmoids
    return bool(getattr(loss, 'use_sigmoid', True) if sigmoid is None else sigmoid)


def _anchors(head: nn.Module) -> int:
    return getattr(head, 'num_base_priors', 1)


def _decodes(head: nn.Module) -> bool:
    return definer(head, 'loss_by_feat') in DECODED


def _check_scores(ours: nn.Module, theirs: nn.Module) -> None:
    forms = [
        f'{_anchors(h)} at each place, by {"sigmoids" if _by_sigmoid(h) else "softmax"}'
        for h in (theirs, ours)
    ]
    kinds = [definer(h, 'loss_by_feat') for h in (theirs, ours)]
    # Whose scores are joined with whether there is an object, or say only which one it is.
    special = {'YOLOV3Head', 'YOLOXHead'}
    if forms[0] != forms[1] or (special & set(kinds) and kinds[0] != kinds[1]):
        raise UsageError(
            f'the scores of the teacher ({kinds[0]}: {forms[0]}) and of the model ({kinds[1]}: '
            f'{forms[1]}) are of different boxes: give a teacher with such a head, or scores=None'
        )


def _check_anchors(ours: nn.Module, theirs: nn.Module, levels: Sequence[int]) -> None:
    """Check that scores of both are of anchors of the same sizes, where there are any."""
    bases = [
        getattr(getattr(h, 'prior_generator', None), 'base_anchors', None) for h in (ours, theirs)
    ]
    if None in bases:
        return
    for mine, place in zip(bases[0], levels):
        other = bases[1][place]
        if mine.shape != other.shape or not torch.allclose(mine, other.to(mine), atol=0.5):
            a, b = ([round(v) for v in each[0].tolist()] for each in (other, mine))
            raise UsageError(
                f'anchors of the teacher and of the model have other sizes, the first {a} and {b} '
                '(left, top, right, bottom), so that their scores are of other boxes: give a '
                'teacher with the same anchor_generator, or scores=None'
            )


def _ordered(logits: Tensor, order: Order, head: nn.Module) -> Tensor:
    """Return class scores in the order of the student's classes."""
    index = torch.tensor(order, device=logits.device)
    if not _by_sigmoid(head):  # (N, classes + background, anchors, H, W)
        return torch.cat([logits[:, index], logits[:, -1:]], 1)
    parts = logits.unflatten(2, (_anchors(head), -1))  # (N, 2, anchors, classes, H, W)
    if definer(head, 'loss_by_feat') == 'YOLOV3Head':  # before the classes: is there an object
        index = torch.cat([index.new_zeros(1), index + 1])
    return parts[:, :, :, index].flatten(2, 3)


def _softened(pairs: list[tuple[Tensor, Tensor]], temperature: float) -> tuple:
    """Return a divergence, and pairs of logits and probabilities, for :func:`focal_mean`."""

    def divergence(logits: Tensor, target: Tensor, reduction: str) -> Tensor:
        each = F.kl_div(logits.log_softmax(1), target, reduction='none').sum(1)
        return each * temperature**2

    return divergence, [(z / temperature, (t / temperature).softmax(1)) for z, t in pairs]


def _certain(logits: Tensor, head: nn.Module) -> Tensor:
    """Return how sure a teacher is that there is any object, (N, H * W * anchors)."""
    if _by_sigmoid(head):
        yes = logits.softmax(1)[:, 0]  # (N, anchors * classes, H, W)
        found = yes.unflatten(1, (_anchors(head), -1)).amax(2)
    else:
        found = logits.softmax(1)[:, :-1].amax(1)  # (N, anchors, H, W)
    return found.permute(0, 2, 3, 1).flatten(1)


def _decoded(head: nn.Module, level: int, boxes: Tensor, image: Tensor, place: Tensor) -> Tensor:
    """Return some boxes (M, 4) of a level's map (N, anchors * 4, H, W) by corners.

    Args:
        image: of each, (M,).
        place: of each, the index among the H * W * anchors of a level, (M,).
    """
    size, device = boxes.shape[-2:], boxes.device
    priors = head.prior_generator.single_level_grid_priors(size, level, device=device)
    flat = boxes.float().permute(0, 2, 3, 1).reshape(len(boxes), -1, 4)
    found = head.bbox_coder.decode(priors[place], flat[image, place])
    return getattr(found, 'tensor', found)
