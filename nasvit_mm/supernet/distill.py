"""What the networks of a step learn from: labels, teachers, or one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from nasvit_mm.dense import ModelKind, StepOutput
from nasvit_mm.errors import unknown
from nasvit_mm.supernet.losses import (
    adaptive_alpha_divergence,
    focal_mean,
    mixed_teachers,
    soft_cross_entropy,
)
from nasvit_mm.supernet.samplers.base import LARGEST, SAMPLED, SMALLEST

LABELS, TEACHERS, INPLACE, MEAN = 'labels', 'teachers', 'largest', 'mean'
SOURCES = {
    LARGEST: (LABELS, TEACHERS),
    SAMPLED: (LABELS, TEACHERS, INPLACE),
    SMALLEST: (LABELS, TEACHERS, INPLACE, MEAN),
}


class Distillation:
    """By role of a subnet, where its target comes from.

    ``'labels'``: the task's own loss; ``'teachers'``: cross-entropy with the mean of the external
    teachers' sharpened probabilities; ``'largest'``: adaptive alpha-divergence to the largest
    network's probabilities of the same step; ``'mean'``: the same to the mean of the step's
    sampled subnets (ElasticViT's smallest).  Maps are brought to the grid of the one that learns;
    of a detector's, whose anchors are nearly all background, see :func:`focal_mean`.

    Args:
        largest, sampled, smallest: one of these each.
        temperature: of the teachers; 0.2 in the papers' code, which sharpens.

    Raises:
        ValueError: a source that the role cannot have.
    """

    def __init__(
        self,
        largest: str = LABELS,
        sampled: str = LABELS,
        smallest: str = LABELS,
        temperature: float = 0.2,
    ) -> None:
        self.sources = {LARGEST: largest, SAMPLED: sampled, SMALLEST: smallest}
        for role, source in self.sources.items():
            if source not in SOURCES[role]:
                raise ValueError(unknown(role, source, SOURCES[role]))
        if temperature <= 0:
            raise ValueError(f'temperature = {temperature}, must be above 0')
        self.temperature = temperature
        self._targets: dict[str, list[torch.Tensor]] = {}
        self._sampled: list[list[torch.Tensor]] = []

    def learn_from_labels(self, instead_of: str) -> None:
        """Replace a source by labels."""
        self.sources = {
            role: LABELS if source == instead_of else source
            for role, source in self.sources.items()
        }

    def check(self, roles: Sequence[str], kind: ModelKind) -> None:
        """Check that what the roles of a step learn from comes before them, and is of their kind.

        Raises:
            ValueError: names the role, its source and the sampler's roles, or the kind of model.
        """
        comes_from = {INPLACE: LARGEST, MEAN: SAMPLED}
        for i, role in enumerate(roles):
            source = self.sources[role]
            if source != LABELS and not kind.distils:
                raise ValueError(
                    f'distill: {role} = {source!r}, but the model is of the kind '
                    f"{type(kind).__name__}, which has nothing to distil: {role}='labels'"
                )
            if source == TEACHERS and not kind.classifies:
                raise ValueError(
                    f'distill: {role} = {source!r}, but external teachers are '
                    f'classifiers, and a {type(kind).__name__} is not'
                )
            if source in comes_from and comes_from[source] not in roles[:i]:
                raise ValueError(
                    f'distill: {role} = {source!r}, but the sampler has no '
                    f'{comes_from[source]} subnet before it; its steps are '
                    f'{", ".join(roles)}'
                )

    @property
    def needs_teachers(self) -> bool:
        return TEACHERS in self.sources.values()

    def begin(self, teachers: Sequence[torch.Tensor] | None) -> None:
        """Begin a step, with the teachers' logits where there are any."""
        self._targets, self._sampled = {}, []
        if self.needs_teachers:
            if not teachers:
                raise ValueError("'teachers' are to be learnt from, and there are none")
            self._targets[TEACHERS] = [mixed_teachers(teachers, self.temperature)]

    def loss(self, role: str, output: StepOutput) -> torch.Tensor:
        """Return the loss of a subnet's forward; remember what others of the step learn from."""
        source = self.sources[role]
        if source == LABELS:
            loss = output.loss
        elif source == TEACHERS:
            loss = _over(soft_cross_entropy, output, self._targets[TEACHERS])
        else:
            if source == MEAN:
                self._targets[MEAN] = [
                    torch.stack([_resized(p, parts[0].shape) for p in parts]).mean(0)
                    for parts in zip(*self._sampled)
                ]
            loss = _over(adaptive_alpha_divergence, output, self._targets[source])
        if source != LABELS:
            loss = loss + output.rest
        if role == LARGEST and INPLACE in self.sources.values():
            self._targets[INPLACE] = _probabilities(output)
        elif role == SAMPLED and MEAN in self.sources.values():
            self._sampled.append(_probabilities(output))
        return loss


def _probabilities(output: StepOutput) -> list[torch.Tensor]:
    return [z.detach().float().softmax(1) for z in output.logits]


def _over(function: Callable, output: StepOutput, targets: Sequence[torch.Tensor]) -> torch.Tensor:
    if len(output.logits) != len(targets):
        raise ValueError(f'{len(output.logits)} outputs and targets for {len(targets)}')
    pairs = [(z.float(), _resized(t, z.shape)) for z, t in zip(output.logits, targets)]
    if output.rare:
        return focal_mean(function, pairs)
    return sum(function(z, t) for z, t in pairs)


def _resized(target: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Bring probabilities to the grid of another map: by patch sizes the grids differ."""
    if target.shape == shape:
        return target
    flat = target.flatten(1, -3)
    return F.interpolate(flat, shape[-2:], mode='bilinear', align_corners=False).view(shape)


class Teachers:
    """External teachers of timm, frozen, outside the module tree: no checkpoint holds them.

    Args:
        names: of timm models; ``{name: weights}`` reads a local file, None of it downloads.
        weights: local files in the order of the names.
        num_classes: that they must have.

    Raises:
        FileNotFoundError: weights that are not there.
        ValueError: an unknown model, another number of weights or of classes, or weights that
            cannot be had or are of another model.
    """

    def __init__(
        self,
        names: Sequence[str] | Mapping[str, str | None],
        weights: Sequence[str] | None = None,
        num_classes: int | None = None,
    ) -> None:
        files = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names)
        if weights is not None:
            if len(weights) != len(files):
                raise ValueError(
                    f'teacher_weights has {len(weights)} files for the teachers {", ".join(files)}'
                )
            files = dict(zip(files, weights))
        for name, file in files.items():
            if file is not None and not Path(file).is_file():
                raise FileNotFoundError(f'weights of the teacher {name} not found: {file}')
        self.models = [_teacher(name, file) for name, file in files.items()]
        for name, model in zip(files, self.models):
            if num_classes not in (None, model.num_classes):
                raise ValueError(
                    f'the teacher {name} has {model.num_classes} classes, the model '
                    f'{num_classes}: teachers=None learns from labels'
                )

    def __deepcopy__(self, memo: dict) -> Teachers:
        return self  # they never change: a moving average of the supernet needs none of its own

    @torch.no_grad()
    def __call__(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        """Run images (N, 3, H, W) to the logits of each teacher, (N, classes)."""
        for i, model in enumerate(self.models):
            if next(model.parameters()).device != inputs.device:
                self.models[i] = model.to(inputs.device)
        return [model(inputs) for model in self.models]


def _teacher(name: str, file: str | None) -> nn.Module:
    import timm

    overlay = {} if file is None else dict(pretrained_cfg_overlay=dict(file=str(file)))
    try:
        model = timm.create_model(name, pretrained=True, **overlay)
    except Exception as error:  # of timm, of a download, of whatever the file holds
        where = 'timm cannot download them' if file is None else str(file)
        raise ValueError(
            f'the teacher {name} cannot be had: {str(error).splitlines()[0] or error!r} (weights: '
            f'{where}); give local files, model.teacher_weights=[...], or model.teachers=None '
            'for labels instead'
        ) from error
    return model.eval().requires_grad_(False)
