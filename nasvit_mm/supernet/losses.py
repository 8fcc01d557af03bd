"""Losses of supernet training: soft targets, and AlphaNet's adaptive alpha-divergence.

Classes are dimension 1, so that logits of images (N, C) and of pixels (N, C, H, W) are treated
alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def soft_cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, reduction: str = 'mean'
) -> torch.Tensor:
    """Compute the cross-entropy with a target distribution, averaged over images (and pixels).

    Args:
        logits: (N, C, ...).
        target: probabilities, the same shape.
        reduction: ``'mean'``, or ``'none'``, which returns (N, ...).
    """
    return _reduced(-(target * logits.log_softmax(1)).sum(1), reduction)


def adaptive_alpha_divergence(
    logits: torch.Tensor, target: torch.Tensor, clip: float = 5.0, reduction: str = 'mean'
) -> torch.Tensor:
    """Compute the larger of the divergences with alpha -1 and +1, per image (or pixel).

    The first penalises a student that is confident where the target is not, the second a student
    that misses where the target is confident.  (Source: AlphaNet, ICML 2021, as in NASViT's and
    ElasticViT's code.)

    Args:
        logits: the student's logits, (N, C, ...).
        target: the teacher's probabilities, the same shape; no gradient flows to them.
        clip: largest ratio of student to target probability at alpha -1.
        reduction: ``'mean'``, or ``'none'``, which returns (N, ...).

    Returns:
        A tensor that carries the gradient; its value has no meaning and may be negative.
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


def _reduced(values: torch.Tensor, reduction: str) -> torch.Tensor:
    if reduction not in ('mean', 'none'):
        raise ValueError(f"reduction = {reduction!r}, allowed: 'mean', 'none'")
    return values.mean() if reduction == 'mean' else values


def mixed_teachers(logits: Sequence[torch.Tensor], temperature: float) -> torch.Tensor:
    """Average the teachers' probabilities, softmax(logits / temperature), without gradient.

    NASViT's temperature is 0.2 (its code multiplies by 5), and so is ElasticViT's: both sharpen.

    Args:
        logits: logits of each teacher, (N, C, ...).
    """
    with torch.no_grad():
        return torch.stack([(z / temperature).softmax(1) for z in logits]).mean(0)
