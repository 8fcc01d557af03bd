"""Focal losses of independent classes (sigmoid) and of exclusive ones (softmax)."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from nasvit_mm.compat.ops.kernel import at_least_float32, gradients, kernel


@kernel
def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the focal loss of independent classes into ``output`` (n, C), not reduced.

    Args:
        input: (n, C) logits.
        target: (n,) int64, class index; C or anything outside 0..C-1 is background.
        weight: (C,), or empty; with weights no target may be background.

    Raises:
        ValueError: a target is background, which has no weight.
    """
    (logits,) = at_least_float32(input)
    output.copy_(_sigmoid_loss(logits, target, weight, gamma, alpha))


@kernel
def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the gradient of the summed focal loss into ``grad_input`` (n, C)."""
    (logits,) = at_least_float32(input)
    (grad,) = gradients(
        lambda x: _sigmoid_loss(x, target, weight, gamma, alpha), [logits], torch.ones_like(logits)
    )
    grad_input.copy_(grad)


def _sigmoid_loss(
    logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    num_classes = logits.shape[1]
    classes = torch.arange(num_classes, device=logits.device)
    one_hot = (target[:, None] == classes).to(logits.dtype)  # a background row is all zeros
    loss = sigmoid_focal_loss(logits, one_hot, alpha, gamma)
    if not weight.numel():
        return loss
    if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < num_classes:
        raise ValueError(
            f'sigmoid_focal_loss with class weights: targets are {int(target.min())} to '
            f'{int(target.max())}, and only 0 to {num_classes - 1} have a weight'
        )
    return loss * weight.to(loss.dtype)[target][:, None]


@kernel
def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the focal loss of exclusive classes into ``output`` (n,), not reduced.

    Args:
        input: (n, C), probabilities: mmcv takes the softmax before.
        target: (n,) int64, class index; a negative one has no loss.
        weight: (C,), or empty.
    """
    p, factor = _of_target(input, target, weight, alpha)
    output.copy_(-factor * (1 - p) ** gamma * p.log())


@kernel
def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the gradient of the logits behind the softmax into ``grad_input`` (n, C).

    Args:
        buff: a buffer of the compiled operation, unused.
    """
    p, factor = _of_target(input, target, weight, alpha)
    # d loss / d log p; and d log p / d logits = one_hot - softmax.
    slope = factor * (gamma * (1 - p) ** (gamma - 1) * p * p.log() - (1 - p) ** gamma)
    classes = torch.arange(input.shape[1], device=input.device)
    one_hot = (target[:, None] == classes).to(p.dtype)
    grad_input.copy_(slope[:, None] * (one_hot - input))


def _of_target(
    softmax: Tensor, target: Tensor, weight: Tensor, alpha: float
) -> tuple[Tensor, Tensor]:
    """Return the probability of each target, and alpha times its weight, 0 if it is ignored."""
    (softmax,) = at_least_float32(softmax)
    index = target.clamp(min=0)
    p = softmax.gather(1, index[:, None])[:, 0]
    p = p.clamp(min=torch.finfo(torch.float32).tiny)  # as the compiled one: log(0) is -87
    factor = alpha * (target >= 0).to(p.dtype)
    return p, factor * weight.to(p.dtype)[index] if weight.numel() else factor
