"""A backbone with its family's classification head: what ``create_model`` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nasvit_mm.backbones.base import ElasticBackbone
from nasvit_mm.backbones.timm_model import AroundBackbone, ElasticFeatures, TimmModel
from nasvit_mm.errors import UsageError, check_number
from nasvit_mm.family import FAMILIES
from nasvit_mm.registry import WEIGHT_INITIALIZERS
from nasvit_mm.spaces import Space, find_model, get_space


class ClassifierForward(AroundBackbone):
    """What a classifier is, plain or as a model of mmengine: backbone, head, and their use.

    A mixin of a module that has

    Attributes:
        backbone: with its last output only.
        head: of the family, as a rule an :class:`ElasticHead`.
        resize: see :func:`create_model`.
    """

    head: nn.Module
    resize: bool | str

    @property
    def num_classes(self) -> int:
        """Return the outputs of the classifier, 0 if there is none."""
        return getattr(self.head.classifier, 'out_features', 0)

    def rebuild(self, arch: Any) -> ElasticClassifier:
        """Return a new plain classifier of the same options for one architecture."""
        backbone = self.backbone.rebuild(arch)
        head = type(self.head)(backbone, self.num_classes, self.head.dropout.p)
        return ElasticClassifier(backbone, head, self.resize)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Run images (N, C, H, W) to logits (N, classes) with the active architecture."""
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Map images to what the head takes: the last map (N, C, H, W), of ViTAS the class token
        (N, C).
        """
        return self.backbone.features(self._resized(x))

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Map features to logits (N, classes), or to what the classifier takes, (N, width)."""
        plan = self.backbone.plan.head
        return self.head(x, plan, pre_logits=True) if pre_logits else self.head(x, plan)

    def _resized(self, x: torch.Tensor) -> torch.Tensor:
        side = self.arch.resolution
        size = tuple(x.shape[2:])
        if size == (side, side) or self.resize is False:
            return x
        if self.resize == 'auto' and max(size) > self.backbone.max_resolution:
            return x
        return F.interpolate(x, (side, side), mode='bicubic', align_corners=False)


class ElasticClassifier(ClassifierForward, TimmModel, nn.Module):
    """Input (N, C, H, W) -> logits (N, classes); see :func:`create_model`."""

    def __init__(
        self, backbone: ElasticBackbone, head: nn.Module, resize: bool | str = 'auto'
    ) -> None:
        super().__init__()
        if resize not in (True, False, 'auto'):
            raise ValueError(f"resize = {resize!r}, allowed: True, False, 'auto'")
        self.backbone, self.head, self.resize = backbone, head, resize

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits(x)

    @property
    def num_features(self) -> int:
        """Return the channels of :meth:`forward_features`."""
        return self.backbone.out_channels[-1]

    @property
    def head_hidden_size(self) -> int:
        """Return the width that the classifier takes."""
        return self.head.pooled_span(self.backbone.plan.head).width

    def get_classifier(self) -> nn.Module:
        return self.head.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier by a new one; 0 classes: by none.

        Args:
            global_pool: None or ``'avg'``; every family pools in its own way.
        """
        check_number('num_classes', num_classes, low=0, whole=True)
        _check_pool(global_pool)
        self.head.reset(num_classes)


def create_model(
    space: str | Mapping | Space,
    arch: Any = None,
    num_classes: int = 1000,
    in_chans: int = 3,
    pretrained: bool | str | Path = False,
    features_only: bool = False,
    out_indices: int | Sequence[int] | None = None,
    *,
    dropout: float = 0.0,
    resize: bool | str = 'auto',
    **kwargs: Any,
) -> ElasticClassifier | ElasticFeatures:
    """Build an image classifier: the supernet of a space, or the net of one architecture.

    Args:
        space: name of a space, its ``to_dict()`` form, or a Space; or the name of an architecture,
            :func:`nasvit_mm.list_models` has them.
        arch: any form that ``Space.arch`` takes; None is the supernet, with the largest
            architecture active until ``set_arch``.
        num_classes: outputs of the classifier; 0: none, so that pooled features come out.
        in_chans: channels of the images; weights of RGB images are adapted as timm does.
        pretrained: load weights that exist: True those that timm has of this name, a text what
            ``init_cfg=dict(type='Pretrained', checkpoint=...)`` takes.  The classifier starts at
            random where the number of classes differs.
        features_only: build the backbone alone, which gives a list of maps; their channels, strides
            and modules are its ``feature_info``.
        out_indices: which maps, by their index or from the end; an int: so many of the last ones;
            None: those of strides 4 to 32.
        dropout: dropout rate before the classifier; ``drop_rate``, as timm calls it, is the same.
        resize: whether images are resized (bicubic) to the architecture's resolution, as the
            authors evaluate: always (True), never (False), or ``'auto'``, which resizes if no side
            exceeds the family's largest training resolution; larger images, which the authors' code
            cannot take, are processed at their full size.
        kwargs: options of the backbone: ``attention``, ``norm_cfg``, ``drop_path_rate``, ...

    Returns:
        A module (N, in_chans, H, W) -> (N, num_classes), or with ``features_only`` -> a list of
        (N, C, H / stride, W / stride); in training mode, randomly initialised unless
        ``pretrained``.  It has what timm's models have: ``forward_features``, ``forward_head``,
        ``reset_classifier``, ``feature_info``, ``pretrained_cfg``, ...

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
    check_number('num_classes', num_classes, low=0, whole=True)
    num_outputs = len(backbone_type.strides)
    if features_only:
        indices = _indices(out_indices, num_outputs)
    elif out_indices is None:
        indices = (num_outputs - 1,)
    else:
        raise UsageError('out_indices belongs to features_only=True: a classifier gives logits')
    channels = kwargs.setdefault('in_channels', in_chans)  # as the backbones call it
    if in_chans not in (3, channels):
        raise UsageError(f'in_chans = {in_chans} and in_channels = {channels}: give one of them')
    dropout = kwargs.pop('drop_rate', dropout)
    _check_pool(kwargs.pop('global_pool', None))
    backbone = backbone_type(
        'supernet' if arch is None else arch, space, out_indices=indices, **kwargs
    )
    if features_only:
        model = ElasticFeatures(backbone)
    else:
        model = ElasticClassifier(backbone, head_type(backbone, num_classes, dropout), resize)
    if pretrained:
        source = str(pretrained) if isinstance(pretrained, Path) else pretrained
        if source is True:
            source = arch if isinstance(arch, str) else given
        if not isinstance(source, str):
            raise UsageError('pretrained=True takes weights by the name of a model: give its name')
        load = WEIGHT_INITIALIZERS.build(
            dict(type='nasvit_mm.PretrainedBackbone', checkpoint=source)
        )
        load(model.backbone if features_only else model)
    return model


def _check_pool(global_pool: str | None) -> None:
    if global_pool not in (None, 'avg'):
        raise UsageError(
            f'global_pool = {global_pool!r}: the pooling is part of the network; leave it out, and '
            'take forward_features, or features_only=True, for what is not pooled'
        )


def _indices(out_indices: int | Sequence[int] | None, num_outputs: int) -> tuple[int, ...]:
    """Return the indices of outputs that timm's ``out_indices`` means."""
    if out_indices is None:
        return tuple(range(min(4, num_outputs)))
    if isinstance(out_indices, int):
        check_number('out_indices', out_indices, low=1, high=num_outputs, whole=True)
        return tuple(range(num_outputs - out_indices, num_outputs))
    for index in out_indices:
        check_number('out_indices', index, low=-num_outputs, high=num_outputs - 1, whole=True)
    return tuple(index % num_outputs for index in out_indices)


def _read_model(space: Any, arch: Any) -> tuple[Space, Any]:
    """Return the space and the architecture of a classifier; a name may stand for both."""
    if isinstance(space, str) and arch is None and space not in FAMILIES:
        return find_model(space)
    return get_space(space), arch
