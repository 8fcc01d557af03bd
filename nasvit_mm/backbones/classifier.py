"""A backbone with its family's classification head: what ``create_model`` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nasvit_mm.backbones.base import ElasticBackbone
from nasvit_mm.errors import UsageError
from nasvit_mm.family import FAMILIES
from nasvit_mm.registry import WEIGHT_INITIALIZERS
from nasvit_mm.spaces import Arch, Space, find_model, get_space


class ClassifierForward:
    """What a classifier is, plain or as a model of mmengine: backbone, head, and their use.

    A mixin of a module that has

    Attributes:
        backbone: with its last output only.
        head: of the family.
        resize: see :func:`create_model`.
    """

    backbone: ElasticBackbone
    head: nn.Module
    resize: bool | str

    @property
    def space(self) -> Space:
        return self.backbone.space

    @property
    def arch(self) -> Arch:
        """Return the active architecture."""
        return self.backbone.arch

    @property
    def phase(self) -> int:
        return self.backbone.phase

    def set_arch(self, arch: Any, phase: int = 0) -> None:
        """Choose the architecture that the next forwards run, in any form ``Space.arch`` takes."""
        self.backbone.set_arch(arch, phase)

    def rebuild(self, arch: Any) -> ElasticClassifier:
        """Return a new plain classifier of the same options for one architecture."""
        backbone = self.backbone.rebuild(arch)
        head = type(self.head)(backbone, self.head.classifier.out_features, self.head.dropout.p)
        return ElasticClassifier(backbone, head, self.resize)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Run images (N, 3, H, W) to logits (N, classes) with the active architecture."""
        return self.head(self.backbone.features(self._resized(x)), self.backbone.plan.head)

    def _resized(self, x: torch.Tensor) -> torch.Tensor:
        side = self.arch.resolution
        size = tuple(x.shape[2:])
        if size == (side, side) or self.resize is False:
            return x
        if self.resize == 'auto' and max(size) > self.backbone.max_resolution:
            return x
        return F.interpolate(x, (side, side), mode='bicubic', align_corners=False)


class ElasticClassifier(ClassifierForward, nn.Module):
    """Input (N, 3, H, W) -> logits (N, classes); see :func:`create_model`."""

    def __init__(
        self, backbone: ElasticBackbone, head: nn.Module, resize: bool | str = 'auto'
    ) -> None:
        super().__init__()
        if resize not in (True, False, 'auto'):
            raise ValueError(f"resize = {resize!r}, allowed: True, False, 'auto'")
        self.backbone, self.head, self.resize = backbone, head, resize

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits(x)


def create_model(
    space: str | Mapping | Space,
    arch: Any = None,
    num_classes: int = 1000,
    *,
    pretrained: bool | str = False,
    dropout: float = 0.0,
    resize: bool | str = 'auto',
    **kwargs: Any,
) -> ElasticClassifier:
    """Build an image classifier: the supernet of a space, or the net of one architecture.

    Args:
        space: name of a space, its ``to_dict()`` form, or a Space; or the name of an architecture,
            :func:`nasvit_mm.list_models` has them.
        arch: any form that ``Space.arch`` takes; None is the supernet, with the largest
            architecture active until ``set_arch``.
        num_classes: outputs of the classifier.
        pretrained: load weights that exist: True those that timm has of this name, a text what
            ``init_cfg=dict(type='Pretrained', checkpoint=...)`` takes.  The classifier starts at
            random where the number of classes differs.
        dropout: dropout rate before the classifier.
        resize: whether images are resized (bicubic) to the architecture's resolution, as the
            authors evaluate: always (True), never (False), or ``'auto'``, which resizes if no side
            exceeds the family's largest training resolution; larger images, which the authors' code
            cannot take, are processed at their full size.
        kwargs: options of the backbone: ``attention``, ``norm_cfg``, ``drop_path_rate``, ...

    Returns:
        A module (N, 3, H, W) -> (N, num_classes), in training mode, randomly initialised unless
        ``pretrained``.

    Raises:
        ArchitectureError: the space or architecture is unknown, or a value is outside the space.
        UsageError: the pretrained weights do not fit, or have to be fetched first; a space with
            genes of the task, which are of a dense model.
        ValueError: another argument is not allowed.
    """
    given, (space, arch) = space, _read_model(space, arch)
    if space.task:
        raise UsageError(
            f'{", ".join(field.name for field in space.task)} are genes of a dense model; a '
            'classifier has none of them: leave task out of the space'
        )
    family = FAMILIES[space.name]
    backbone_type, head_type = family.part('backbone'), family.part('head')
    if num_classes < 1:
        raise ValueError(f'num_classes = {num_classes}, must be at least 1')
    last = len(backbone_type.strides) - 1
    backbone = backbone_type(
        'supernet' if arch is None else arch, space, out_indices=(last,), **kwargs
    )
    model = ElasticClassifier(backbone, head_type(backbone, num_classes, dropout), resize)
    if pretrained:
        source = pretrained
        if source is True:
            source = arch if isinstance(arch, str) else given
        if not isinstance(source, str):
            raise UsageError('pretrained=True takes weights by the name of a model: give its name')
        WEIGHT_INITIALIZERS.build(dict(type='nasvit_mm.PretrainedBackbone', checkpoint=source))(
            model
        )
    return model


def _read_model(space: Any, arch: Any) -> tuple[Space, Any]:
    """Return the space and the architecture of a classifier; a name may stand for both."""
    if isinstance(space, str) and arch is None and space not in FAMILIES:
        return find_model(space)
    return get_space(space), arch
