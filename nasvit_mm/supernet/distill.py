"""What the networks of a step learn from: labels, teachers, or one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from nasvit_mm.compat import half_type
from nasvit_mm.dense import ModelKind, Shapes, StepOutput, binary
from nasvit_mm.errors import unknown
from nasvit_mm.supernet.losses import adaptive_alpha_divergence, mixed_teachers, soft_cross_entropy
from nasvit_mm.supernet.samplers.base import LARGEST, SAMPLED, SMALLEST
from nasvit_mm.teacher import focal_mean

LABELS, TEACHERS, INPLACE, MEAN = 'labels', 'teachers', 'largest', 'mean'
SOURCES = {
    LARGEST: (LABELS, TEACHERS),
    SAMPLED: (LABELS, TEACHERS, INPLACE),
    SMALLEST: (LABELS, TEACHERS, INPLACE, MEAN),
}


class Target(NamedTuple):
    """What a subnet learns from.

    Attributes:
        probabilities: (N, classes, ...) for each of the logits.
        shapes: of the same objects; masks are probabilities (M, 2, h, w).
    """

    probabilities: list[torch.Tensor]
    shapes: list[Shapes]

    def of(self, images: slice | None) -> Target:
        """Return the target of some images of the batch; None: of all."""
        return self if images is None else Target([p[images] for p in self.probabilities], [])


class Distillation:
    """By role of a subnet, where its target comes from.

    ``'labels'``: the task's own loss; ``'teachers'``: cross-entropy with the mean of the external
    teachers' sharpened probabilities; ``'largest'``: adaptive alpha-divergence to the largest
    network's probabilities of the same step; ``'mean'``: the same to the mean of the step's
    sampled subnets (ElasticViT's smallest).  Maps are brought to the grid of the one that learns;
    of a detector's, whose anchors are nearly all background, see :func:`focal_mean`.  Boxes and
    masks of the same objects, where the model has them, are added: the absolute difference, and the
    divergence of every pixel, weighed by how sure the target is of the object.

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
        self._targets: dict[str, Target] = {}
        self._sampled: list[Target] = []
        self._objects: Any = None

    def learn_from_labels(self, instead_of: str) -> None:
        """Replace a source by labels."""
        self.sources = {
            role: LABELS if source == instead_of else source
            for role, source in self.sources.items()
        }

    def check(self, roles: Sequence[str], kind: ModelKind, model: nn.Module) -> None:
        """Check that what the roles of a step learn from comes before them, and that answers of the
        model can be compared.

        Raises:
            ValueError: names the role, its source and the sampler's roles, or the kind of model.
        """
        comes_from = {INPLACE: LARGEST, MEAN: SAMPLED}
        others = [role for role in dict.fromkeys(roles) if self.sources[role] != LABELS]
        if others and not kind.teaches(model):
            given = ', '.join(f'{role} = {self.sources[role]!r}' for role in others)
            labels = ', '.join(f"{role}='labels'" for role in others)
            raise ValueError(
                f'distill: {given}, but it is not known how to compare the answers of '
                f'{_described(kind, model)} (kind {type(kind).__name__}): {labels}, or register a '
                'kind of model that says how (CONTRIBUTING.md)'
            )
        for i, role in enumerate(roles):
            source = self.sources[role]
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
        self._targets, self._sampled, self._objects = {}, [], None
        if self.needs_teachers:
            if not teachers:
                raise ValueError("'teachers' are to be learnt from, and there are none")
            mixed = mixed_teachers(teachers, self.temperature)
            self._targets[TEACHERS] = Target([mixed], [])

    def objects(self, role: str) -> Any:
        """Return the objects for which a subnet of a role answers (:attr:`StepOutput.objects`):
        those of the first one of the step, if it is compared with others, else None.
        """
        compared = self.sources[role] in (INPLACE, MEAN) or self._remembers(role)
        return self._objects if compared else None

    def _remembers(self, role: str) -> bool:
        """Return whether another subnet of the step learns from a role."""
        learners = {LARGEST: INPLACE, SAMPLED: MEAN}
        return learners.get(role) in self.sources.values()

    def loss(self, role: str, output: StepOutput, images: slice | None = None) -> torch.Tensor:
        """Return the loss of a subnet's forward; remember what others of the step learn from.

        Args:
            images: of the batch that the subnet has seen; None: all.
        """
        source = self.sources[role]
        if source == LABELS:
            loss = output.loss
        elif source == TEACHERS:
            loss = _over(soft_cross_entropy, output, self._targets[TEACHERS].of(images))
        else:
            if source == MEAN:
                self._targets[MEAN] = _mean(self._sampled)
            target = self._targets[source].of(images)
            loss = _over(adaptive_alpha_divergence, output, target)
            for shapes, right in zip(output.shapes, target.shapes):
                loss = loss + _shape_loss(shapes, right)
        if source != LABELS:
            loss = loss + output.rest
        if self._remembers(role):
            target = _target(output)
            if role == LARGEST:
                self._targets[INPLACE] = target
            else:
                self._sampled.append(target)
            if self._objects is None:
                self._objects = output.objects
        return loss


def _described(kind: ModelKind, model: nn.Module) -> str:
    """Return what a model is, for people: its class, and that of its head."""
    head = kind.head(model)
    which = type(model).__name__
    return which if head is None or head[1] is model else f'{which} with {type(head[1]).__name__}'


def _target(output: StepOutput) -> Target:
    shapes = [
        s._replace(
            values=binary(s.values.detach().float()).softmax(1) if s.masks else s.values.detach(),
            certain=s.certain.detach(),
        )
        for s in output.shapes
    ]
    return Target([z.detach().float().softmax(1) for z in output.logits], shapes)


def _mean(targets: Sequence[Target]) -> Target:
    """Return the mean of several subnets' answers, on the grids of the first."""

    def mean(parts: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack([_resized(p, parts[0].shape) for p in parts]).mean(0)

    return Target(
        [mean(parts) for parts in zip(*(t.probabilities for t in targets))],
        [
            parts[0]._replace(
                values=mean([p.values for p in parts]), certain=mean([p.certain for p in parts])
            )
            for parts in zip(*(t.shapes for t in targets))
        ],
    )


def _over(function: Callable, output: StepOutput, target: Target) -> torch.Tensor:
    if len(output.logits) != len(target.probabilities):
        raise ValueError(
            f'{len(output.logits)} outputs and targets for {len(target.probabilities)}'
        )
    pairs = []
    for z, t in zip(output.logits, target.probabilities):
        if z.shape[1] < 2:
            raise ValueError(
                f'logits of the shape {tuple(z.shape)} have one class, whose softmax is always 1: '
                'of a sigmoid give (N, 2, ...), the logits of yes and of no'
            )
        pairs.append((z.float(), _resized(t, z.shape)))
    if output.rare:
        return focal_mean(function, pairs)
    # Of images without objects there may be no regions: the mean of nothing is NaN.
    return sum(function(z, t) if z.numel() else z.sum() for z, t in pairs)


def _shape_loss(shapes: Shapes, target: Shapes) -> torch.Tensor:
    """Return the mean difference of boxes, or divergence of masks, over the sure objects."""
    values = shapes.values.float()
    if shapes.masks:
        logits = binary(values)
        right = _resized(target.values, logits.shape)
        each = adaptive_alpha_divergence(logits, right, reduction='none').mean((1, 2))
    else:
        each = (values - target.values).abs().sum(1)
    return shapes.weight * (each * target.certain).sum() / target.certain.sum().clamp(min=1)


def _resized(target: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Bring probabilities to the grid of another map: by patch sizes the grids differ."""
    if target.shape == shape:
        return target
    flat = target.flatten(1, -3)
    return F.interpolate(flat, shape[-2:], mode='bilinear', align_corners=False).view(shape)


class Teachers:
    """External teachers of timm, frozen, outside the module tree: no checkpoint holds them.

    On a GPU they run in half precision and channels last, whatever the student does.

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
        self._placed: tuple[torch.device, torch.memory_format] | None = None
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
        """Run images (N, 3, H, W) to the logits of each teacher, (N, classes) in float32."""
        device = inputs.device
        kind = half_type(device)
        half = kind != torch.float32
        form = torch.channels_last if half else torch.contiguous_format
        if self._placed != (device, form):
            self.models = [model.to(device, memory_format=form) for model in self.models]
            self._placed = device, form
        inputs = inputs.contiguous(memory_format=form)
        with torch.autocast(device.type, kind, enabled=half):
            return [model(inputs).float() for model in self.models]


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
