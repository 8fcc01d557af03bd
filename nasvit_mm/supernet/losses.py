"""Losses of supernet training: soft targets, and the adaptive alpha-divergence of AlphaNet.

Classes are dimension 1, so that logits of pictures (N, C) and of pixels (N, C, H, W) are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch


def soft_cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, reduction: str = 'mean'
) -> torch.Tensor:
    """Cross-entropy with a target distribution, mean over pictures (and pixels).

    Args:
        logits: (N, C, ...).
        target: probabilities, the same shape.
        reduction: ``'mean'``, or ``'none'``: (N, ...).
    """
    return _reduced(-(target * logits.log_softmax(1)).sum(1), reduction)


def adaptive_alpha_divergence(
    logits: torch.Tensor, target: torch.Tensor, clip: float = 5.0, reduction: str = 'mean'
) -> torch.Tensor:
    """Of the divergences with alpha -1 and +1 the larger one, for each picture (or pixel).

    The first punishes a student that is sure of what the target is not, the second one that misses
    what the target is.  (Source: AlphaNet, ICML 2021, as NASViT's and ElasticViT's code has it.)

    Args:
        logits: of the student, (N, C, ...).
        target: probabilities of the teacher, the same shape; no gradient flows to them.
        clip: largest ratio of student to target probability at alpha -1.
        reduction: ``'mean'``, or ``'none'``: (N, ...).

    Returns:
        What carries the gradient; its value means nothing and may be negative.
    """
    p, log_q = target.detach(), logits.log_softmax(1)
    q = log_q.detach().exp()
    ratio = torch.where(p > 0, q / p, clip).clamp(max=clip)
    low = (q * (ratio / 2 - 0.5)).sum(1)
    # p log(p / q), whose limit at p = 0 is 0.
    high = (torch.xlogy(p, p) - p * log_q.detach()).sum(1)
    carrier_low = -(q * (0.5 - ratio) * log_q).sum(1)
    carrier_high = -(p * log_q).sum(1)
    return _reduced(torch.where(low > high, carrier_low, carrier_high), reduction)


def focal_mean(loss: Callable, pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """A loss over maps nearly all of which are agreed background, weighed as a focal loss is.

    A plain mean over a detector's anchors and classes is next to nothing beside its other losses,
    which are divided by the number of boxes' anchors.  As there, and as in distillation by the
    quality focal loss (CrossKD, CVPR 2024), each entry counts by the square of the difference of
    the two probabilities, and the sum is divided by the target's foreground, here the sum of its
    squared probabilities, 1 at least.

    Args:
        loss: ``loss(logits, target, reduction='none')``.
        pairs: (logits, target) of each map, (N, 2, ...); class 0 is the foreground.
    """
    total, foreground = 0.0, 0.0
    for logits, target in pairs:
        p, q = target[:, 0].detach(), logits.detach().softmax(1)[:, 0]
        total = total + ((p - q).square() * loss(logits, target, reduction='none')).sum()
        foreground = foreground + p.square().sum()
    return total / foreground.clamp(min=1)


def _reduced(values: torch.Tensor, reduction: str) -> torch.Tensor:
    if reduction not in ('mean', 'none'):
        raise ValueError(f"reduction = {reduction!r}, allowed: 'mean', 'none'")
    return values.mean() if reduction == 'mean' else values


def mixed_teachers(logits: Sequence[torch.Tensor], temperature: float) -> torch.Tensor:
    """Mean of the teachers' probabilities, softmax(logits / temperature); no gradient.

    NASViT's temperature is 0.2 (its code multiplies by 5), ElasticViT's too: both sharpen.

    Args:
        logits: of each teacher, (N, C, ...).
    """
    with torch.no_grad():
        return torch.stack([(z / temperature).softmax(1) for z in logits]).mean(0)
