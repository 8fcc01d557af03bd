"""Divergences between a teacher's maps and those of a model that learns from it.

Logits are (N, C, H, W), or (N, 2, C, H, W) where every class is a decision of its own: the logits
of yes and of no.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nasvit_mm.errors import UsageError, check_number, closest

ON: Mapping[str, Any] = MappingProxyType({})  # a part with its default weight
RIDGE = 1e-3  # of the mean variance of a channel


class Part(NamedTuple):
    """One part of what is learnt from a teacher.

    Attributes:
        weight: of its loss.
        temperature: by which logits are divided; above 1 it shows more of the unlikely classes, or
            places.
    """

    weight: float
    temperature: float = 1.0


def read_part(
    name: str, given: Mapping[str, Any] | None, default: Part, allowed: Sequence[str] = Part._fields
) -> Part | None:
    """Return a part of a teacher's config, the rest of it from the default; None: it is off.

    Raises:
        UsageError: an unknown key, or a number out of its range.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        expected = ', '.join(f'{key}=...' for key in allowed)
        raise UsageError(f'teacher.{name} = {given!r}, expected dict({expected})')
    for key in given:
        if key not in allowed:
            raise UsageError(
                f'teacher.{name} has {key}{closest(key, allowed)}, allowed: {", ".join(allowed)}'
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


def check_learns(parts: Mapping[str, Part | None]) -> None:
    """Check that anything is learnt.

    Raises:
        UsageError: all parts are off.
    """
    if not any(parts.values()):
        raise UsageError(
            f'nothing is learnt from the teacher: give {" or ".join(parts)} a weight, such as '
            f'{next(iter(parts))}=dict(weight=1.0), or leave teacher out'
        )


def focal_mean(loss: Callable, pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Average a loss over maps that are mostly agreed background, weighted like a focal loss.

    A plain mean over a detector's anchors and classes is negligible beside its other losses, which
    are divided by the number of the boxes' anchors.  As in those, and in distillation with the
    quality focal loss (CrossKD, CVPR 2024), each entry is weighted by the squared difference of the
    two probabilities, and the sum is divided by the target's foreground: the sum of its squared
    probabilities, but at least 1.

    Args:
        loss: ``loss(logits, target, reduction='none')``.
        pairs: (logits, target) of each map, (N, classes, ...); the last class is the background.
    """
    total, foreground = 0.0, 0.0
    for logits, target in pairs:
        p, q = target[:, :-1].detach(), logits.detach().softmax(1)[:, :-1]
        weight = (p - q).square().sum(1)
        total = total + (weight * loss(logits, target, reduction='none')).sum()
        foreground = foreground + p.square().sum()
    return total / foreground.clamp(min=1)


def unexplained(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Compute the share of the teacher's features that no linear map of ours explains, 0 to 1.

    The map is the best one for the step, of all levels of as many channels together, by ridge
    regression in closed form (1 - R2 of Kornblith et al., ICML 2019).  It does what a learnt 1x1
    convolution does in FitNets for networks of other widths, without weights to train and to store.
    The teacher's channels count alike, whatever their scale.  Of fewer places than we have channels
    a map explains everything, and nothing is learnt.

    Args:
        pairs: our features (N, C, H, W) and the teacher's (N, D, H, W), of each level.
    """
    alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
    for x, t in pairs:
        alike.setdefault((x.shape[1], t.shape[1]), []).append((x, t))
    numbers = [sum(t.numel() for _, t in each) for each in alike.values()]
    shares = [
        number / sum(numbers) * _unexplained(each) for number, each in zip(numbers, alike.values())
    ]
    return torch.stack(shares).sum()


def _unexplained(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Do as :func:`unexplained` of levels of as many channels."""
    ours = torch.cat([x.flatten(2).transpose(1, 2).flatten(0, 1) for x, _ in pairs])  # (M, C)
    theirs = torch.cat([t.flatten(2).transpose(1, 2).flatten(0, 1) for _, t in pairs]).detach()
    ours, theirs = ours - ours.mean(0), theirs - theirs.mean(0)
    theirs = theirs / theirs.square().mean(0).sqrt().clamp(min=1e-6)
    with torch.no_grad():  # at its optimum the map has no gradient
        gram = ours.T @ ours
        ridge = RIDGE * gram.diagonal().mean().clamp(min=1e-12)
        gram.diagonal().add_(ridge)
        best = torch.linalg.solve(gram, ours.T @ theirs)  # (C, D)
    return (theirs - ours @ best).square().mean()


def resized(target: Tensor, like: Tensor, align_corners: bool = False) -> Tensor:
    """Bring maps (N, ..., h, w) to the grid of others.

    Args:
        align_corners: as the head does that brings them to the images.
    """
    size = like.shape[-2:]
    if target.shape[-2:] == size:
        return target
    flat = F.interpolate(target.flatten(1, -3), size, mode='bilinear', align_corners=align_corners)
    return flat.view(*target.shape[:-2], *size)
