"""Losses of supernet training: soft targets, and the adaptive alpha-divergence of AlphaNet.

Classes are dimension 1, so that logits of pictures (N, C) and of pixels (N, C, H, W) are the same.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch


def soft_cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with a target distribution, mean over pictures (and pixels).

    Args:
        logits: (N, C, ...).
        target: probabilities, the same shape.
    """
    return -(target * logits.log_softmax(1)).sum(1).mean()


def adaptive_alpha_divergence(logits: torch.Tensor, target: torch.Tensor,
                              clip: float = 5.0) -> torch.Tensor:
    """Of the divergences with alpha -1 and +1 the larger one, for each picture (or pixel).

    The first punishes a student that is sure of what the target is not, the second one that misses
    what the target is.  (Source: AlphaNet, ICML 2021, as NASViT's and ElasticViT's code has it.)

    Args:
        logits: of the student, (N, C, ...).
        target: probabilities of the teacher, the same shape; no gradient flows to them.
        clip: largest ratio of student to target probability at alpha -1.

    Returns:
        A scalar that carries the gradient; its value means nothing and may be negative.
    """
    p, log_q = target.detach(), logits.log_softmax(1)
    q = log_q.detach().exp()
    ratio = torch.where(p > 0, q / p, clip).clamp(max=clip)
    low = (q * (ratio / 2 - 0.5)).sum(1)
    # p log(p / q), whose limit at p = 0 is 0.
    high = (torch.xlogy(p, p) - p * log_q.detach()).sum(1)
    carrier_low = -(q * (0.5 - ratio) * log_q).sum(1)
    carrier_high = -(p * log_q).sum(1)
    return torch.where(low > high, carrier_low, carrier_high).mean()


def mixed_teachers(logits: Sequence[torch.Tensor], temperature: float) -> torch.Tensor:
    """Mean of the teachers' probabilities, softmax(logits / temperature); no gradient.

    NASViT's temperature is 0.2 (its code multiplies by 5), ElasticViT's too: both sharpen.

    Args:
        logits: of each teacher, (N, C, ...).
    """
    with torch.no_grad():
        return torch.stack([(z / temperature).softmax(1) for z in logits]).mean(0)
