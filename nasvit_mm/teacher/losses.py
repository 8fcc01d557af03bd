"""Divergences between a teacher's maps and those of a model that learns from it.

Logits are (N, C, H, W), or (N, 2, C, H, W) where every class is a decision of its own: the logits
of yes and of no.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor

from nasvit_mm.errors import UsageError, check_number, closest


class Part(NamedTuple):
    """One part of what is learnt from a teacher.

    Attributes:
        weight: of its loss.
        temperature: by which logits are divided; above 1 it shows more of the unlikely classes, or
            places.
    """

    weight: float
    temperature: float = 1.0


def read_part(name: str, given: Mapping[str, Any] | None, default: Part) -> Part | None:
    """Return a part of a teacher's config, the rest of it from the default; None: it is off.

    Raises:
        UsageError: an unknown key, or a number out of its range.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise UsageError(f'teacher.{name} = {given!r}, expected dict(weight=..., temperature=...)')
    for key in given:
        if key not in Part._fields:
            raise UsageError(
                f'teacher.{name} has {key}{closest(key, Part._fields)}, allowed: '
                f'{", ".join(Part._fields)}'
            )
    for key, value in given.items():
        check_number(f'teacher.{name}.{key}', value, above=0)
    return default._replace(**given)


def pixel_divergence(logits: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute the KL divergence from the teacher's classes of each pixel to ours, the mean over
    images, pixels and (N, 2, C, H, W) decisions, times the squared temperature, by which gradients
    keep their size (Hinton et al., arXiv 1503.02531).

    Args:
        logits: ours.
        target: the teacher's logits, the same shape; no gradient flows to them.
    """
    ours = (logits.float() / temperature).log_softmax(1)
    theirs = (target.detach().float() / temperature).log_softmax(1)
    each = F.kl_div(ours, theirs, reduction='none', log_target=True).sum(1)
    return each.mean() * temperature**2


def channel_divergence(logits: Tensor, target: Tensor, temperature: float = 4.0) -> Tensor:
    """Compute the KL divergence from where the teacher sees each class to where we do, the mean
    over images and classes, times the squared temperature.

    Each channel is a distribution over the pixels, so that small classes count as large ones do
    (CWD: Shu et al., ICCV 2021, arXiv 2011.13256; temperature 4, weight 3 there).

    Args:
        logits: ours.
        target: the teacher's logits, the same shape; no gradient flows to them.
    """
    if logits.dim() == 5:
        logits, target = logits[:, 0], target[:, 0]  # the logits of no are all 0
    ours = (logits.float() / temperature).flatten(2).log_softmax(2)  # (N, C, H * W)
    theirs = (target.detach().float() / temperature).flatten(2).log_softmax(2)
    each = F.kl_div(ours, theirs, reduction='none', log_target=True).sum(2)
    return each.mean() * temperature**2
