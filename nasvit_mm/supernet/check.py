"""Checks before a supernet's first step, on copies of its model: nothing is trained wrongly."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from mmengine.logging import print_log
from torch import nn

from nasvit_mm.data import seed_everything, some
from nasvit_mm.dense import ModelKind, StepOutput
from nasvit_mm.errors import UsageError, first_line
from nasvit_mm.runtime import kept_randomness
from nasvit_mm.supernet.batch import copied, first_images
from nasvit_mm.supernet.distill import INPLACE, MEAN, Distillation
from nasvit_mm.supernet.samplers.base import LARGEST, SAMPLED

IMAGES = 2
TOLERANCE = 1e-2  # of losses in mixed precision


def check_training(
    model: nn.Module,
    kind: ModelKind,
    distill: Distillation,
    data: Any,
    context: Callable[[], AbstractContextManager],
    split: bool = False,
) -> None:
    """Check that a model learns by its own loss, all of it, and that its answers can be compared.

    The largest network sees two images of the first batch, in copies of the model: weights,
    statistics, gradients and random numbers stay as they are.  What even the model's own loss does
    not train is named in the log: parameters of neck, heads and taps that it does not reach, and of
    the backbone those with a gradient of zero.  Scales that start at zero, the last ones of the
    residual branches of MBConvs, are one in the copies: what lies behind them trains from the
    second step on.

    Args:
        model: with an elastic backbone.
        kind: of it.
        distill: what the supernet's networks learn from.
        data: a batch of the data loader.
        context: makes the context of a forward, which sets the precision.
        split: whether subnets learn from the largest one's answers for a part of the batch.

    Raises:
        UsageError: the kind's loss is another than the model's, or reaches fewer of the
            parameters; or the same of the loss by which a subnet learns from another one; or
            answers are not one an image, so that they cannot be parted.
    """
    data = first_images(data, IMAGES)

    def run(forward: Callable[[nn.Module, Any], Any]) -> tuple[torch.Tensor, set[str], Any]:
        """Return a loss, the names of the parameters that it reaches, and what came with it."""
        one = copy.deepcopy(model)
        one.train()  # on a line of its own: LAD's returns None
        one.backbone.set_arch(one.backbone.space.largest)
        _open_scales(one)
        seed_everything(0)
        ready = one.data_preprocessor(data, True)
        with context():
            loss, more = forward(one, copied(ready))
        leaves = _leaves(loss)
        reached = {n for n, p in one.named_parameters() if id(p) in leaves}
        return loss.detach(), reached, more

    def own(one: nn.Module, ready: Any) -> tuple[torch.Tensor, set[str]]:
        loss = one.parse_losses(one(**ready, mode='loss'))[0]
        return loss, _without_gradient(one.backbone, loss)

    def ours(one: nn.Module, ready: Any) -> tuple[torch.Tensor, StepOutput]:
        output = kind.forward(one, ready)
        return output.loss, output

    with kept_randomness():
        loss, reached, still = run(own)
        _tell_untrained(model, reached, still)
        other, found, output = run(ours)
        name = type(kind).__name__
        if not torch.isclose(loss, other, rtol=TOLERANCE, equal_nan=True):
            raise UsageError(
                f'the loss of {type(model).__name__} is {float(loss):.6g}, and its kind {name} '
                f'returns {float(other):.6g}: its forward must return what '
                "parse_losses(model(**data, mode='loss')) does"
            )
        _check_reached(reached - found, f'the loss that the kind {name} returns')
        if {INPLACE, MEAN} & set(distill.sources.values()):
            if split:
                _check_by_image(output, model)
            learnt = _learnt(run, kind, output)
            _check_reached(reached - learnt, 'what a subnet learns from another one')


def _check_by_image(output: StepOutput, model: nn.Module) -> None:
    """Check that a batch's answers can be parted by image."""
    if output.objects is not None or output.shapes or any(len(z) != IMAGES for z in output.logits):
        raise UsageError(
            f'split_batch=True: {type(model).__name__} answers for objects of all images together, '
            'which cannot be parted; split_batch=False, or learn from labels, distill=dict('
            "sampled='labels', smallest='labels')"
        )


def _learnt(run: Callable, kind: ModelKind, output: StepOutput) -> set[str]:
    """Return what a subnet's loss reaches that learns from an output."""
    distill = Distillation(sampled=INPLACE)
    distill.begin(None)
    distill.loss(LARGEST, output)

    def learn(one: nn.Module, ready: Any) -> tuple[torch.Tensor, None]:
        answer = kind.forward_on(one, ready, distill.objects(SAMPLED))
        return distill.loss(SAMPLED, answer), None

    try:
        return run(learn)[1]
    except ValueError as error:
        raise UsageError(
            f'answers that the kind {type(kind).__name__} returns cannot be compared: '
            f"{first_line(error)}; distill=dict(sampled='labels', smallest='labels') learns from "
            'labels'
        ) from error


def _leaves(loss: torch.Tensor) -> set[int]:
    """Return the ids of the tensors that a backward of the loss would give gradients to."""
    seen, to_see, found = set(), [loss.grad_fn], set()
    while to_see:
        node = to_see.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, 'variable'):
            found.add(id(node.variable))
        to_see.extend(n for n, _ in node.next_functions)
    return found


def _check_reached(missing: set[str], what: str) -> None:
    if missing:
        raise UsageError(
            f"{what} does not reach {some(sorted(missing), 3)}, which the model's own loss trains: "
            'the model is of another kind than it is taken for; register one that knows it '
            '(CONTRIBUTING.md)'
        )


def _open_scales(model: nn.Module) -> None:
    """Set scales that are zero to one."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim <= 1 and p.numel() and not p.any() and not name.endswith('bias'):
                p.fill_(1)


def _without_gradient(backbone: nn.Module, loss: torch.Tensor) -> set[str]:
    """Return the names of the parameters whose gradient of a loss is zero; others may have none."""
    if loss.requires_grad:
        loss.backward(retain_graph=True)
    return {n for n, p in backbone.named_parameters() if p.grad is not None and not p.grad.any()}


def _tell_untrained(model: nn.Module, reached: set[str], still: set[str]) -> None:
    left = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad
        and name not in reached
        and (not name.startswith('backbone.') or name.startswith('backbone.taps.'))
    ]
    for what, names in (
        (f'never trained, for the loss of {type(model).__name__} does not depend on them', left),
        (
            'not trained by the first batch, whose gradient of them is zero',
            [f'backbone.{n}' for n in still],
        ),
    ):
        if names:
            print_log(f'{what}: {some(sorted(names), 3)}', logger='current')
