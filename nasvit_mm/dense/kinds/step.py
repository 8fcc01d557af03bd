"""What one forward of a model in training gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Shapes(NamedTuple):
    """Boxes or masks of M objects, of which other subnets of the step have the same in this order.

    Attributes:
        values: boxes (M, 4), of which the absolute difference is a loss; or masks (M, h, w), logits
            of the object against the rest of the image.
        certain: (M,), from 0 to 1, how sure the model is that the object is there.
        masks: whether they are masks.
        weight: of their loss.
    """

    values: Tensor
    certain: Tensor
    masks: bool = False
    weight: float = 1.0


class StepOutput(NamedTuple):
    """What one forward in training gives.

    Attributes:
        logits: what is distilled, each (N, classes, ...); empty where nothing can be.
        loss: the model's own loss by labels, a scalar.
        rest: the part of it that the logits do not say (of a detector the boxes), which a subnet
            that learns from another one keeps.
        rare: all classes but the last one are seldom true, as among a detector's anchors; what is
            distilled is weighed as by a focal loss.
        shapes: boxes and masks that are distilled too.
        boxes, features: what the head says of boxes, and the maps that it takes, of each level of a
            detector with dense heads; a teacher's are compared with them.
        objects: what another subnet of the same step needs to answer for the same objects in the
            same order (:meth:`ModelKind.forward_on`); None where images and places say it.
    """

    logits: tuple[Tensor, ...]
    loss: Tensor
    rest: Tensor | float = 0.0
    rare: bool = False
    shapes: tuple[Shapes, ...] = ()
    objects: Any = None
    boxes: tuple[Tensor, ...] = ()
    features: tuple[Tensor, ...] = ()


def binary(logits: Tensor) -> Tensor:
    """Return logits of a sigmoid, (N, ...), as those of a softmax over yes and no, (N, 2, ...)."""
    return torch.stack([logits, torch.zeros_like(logits)], 1)


def summed(losses: Mapping[str, Any]) -> Tensor | float:
    """Sum losses as mmengine's ``parse_losses`` does: what has 'loss' in its name, lists too."""
    return sum(
        (
            v.mean() if torch.is_tensor(v) else sum(part.mean() for part in v)
            for name, v in losses.items()
            if 'loss' in name
        ),
        0.0,
    )
