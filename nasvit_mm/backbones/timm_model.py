"""What users of timm expect of a model: its features' description, its data's, its classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import timm
from timm.models import FeatureInfo
from torch import nn

from nasvit_mm.backbones.base import ElasticBackbone
from nasvit_mm.family import FAMILIES
from nasvit_mm.spaces import EVALUATED, Arch, Space, get_space, weights_of


class AroundBackbone:
    """A mixin of modules around a backbone, which decides on the active architecture.

    Attributes:
        backbone: the elastic backbone.
    """

    backbone: ElasticBackbone

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


class TimmModel(AroundBackbone):
    """A mixin with the attributes that timm's models have; what depends on it is of the active
    architecture.
    """

    @property
    def in_chans(self) -> int:
        """Return the channels of the images."""
        return self.backbone.in_channels

    @property
    def feature_info(self) -> FeatureInfo:
        """Return the channels, strides and modules of the maps, in timm's form."""
        return feature_info(self.backbone, 'backbone.')

    @property
    def pretrained_cfg(self) -> dict[str, Any]:
        """Return what weights of this architecture want of images, in timm's form.

        It is the papers' protocol on ImageNet: 224 pixels, which a classifier resizes to its
        architecture's resolution.  As in timm it describes the weights, so that its images have
        three channels whatever the model's have.
        """
        return pretrained_cfg(self)

    @property
    def default_cfg(self) -> dict[str, Any]:
        """Return :attr:`pretrained_cfg`, by the name that it had in timm before."""
        return self.pretrained_cfg

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Choose whether blocks are recomputed in the backward pass, as ``with_cp`` does."""
        self.backbone.with_cp = enable


def feature_info(backbone: ElasticBackbone, before: str = '') -> FeatureInfo:
    """Return timm's description of a backbone's outputs: those chosen, of all that are built.

    Args:
        before: what the names of modules begin with.
    """
    built = range(backbone.out_indices[-1] + 1)
    cost = FAMILIES[backbone.space.name].part('cost')
    genes = np.atleast_2d(backbone.space.genes(backbone.arch))
    channels = cost.output_widths(backbone.space.columns(genes), tuple(built))[0].tolist()
    if backbone.taps is not None:
        for i, width in zip(backbone.out_indices, backbone.out_channels):
            channels[i] = width
    info = [
        dict(
            num_chs=channels[i],
            reduction=backbone.output_stride(i),
            module=before + backbone.output_module(i),
        )
        for i in built
    ]
    return FeatureInfo(info, backbone.out_indices)


def model_name(space: Space, arch: Arch | None) -> str:
    """Return the name of :func:`nasvit_mm.list_models` that a model has; what is printed of its
    architecture where it has none.
    """
    if arch is None:
        return space.name
    named = get_space(space.name).named
    return next((name for name, other in named.items() if other == arch), str(arch))


def pretrained_cfg(model: AroundBackbone) -> dict[str, Any]:
    """Return timm's description of a model's weights; see :attr:`TimmModel.pretrained_cfg`."""
    backbone = model.backbone
    name = model_name(model.space, model.space.largest if model.space.is_single else None)
    convs = tuple(f'backbone.{layer}' for layer in backbone.input_layers)
    ours = dict(
        architecture=name,
        first_conv=convs[0] if len(convs) == 1 else convs,
        classifier='head.classifier',
    )
    return {**images_of(name), **ours}


def images_of(name: str) -> Mapping[str, Any]:
    """Return what the weights of a named model, or of none, want of images."""
    entry = None if ':' in name else weights_of(name)
    if entry is not None and 'timm' in entry:
        return timm.models.get_pretrained_cfg(entry['timm']).to_dict()
    return EVALUATED


class ElasticFeatures(TimmModel, nn.Module):
    """A backbone as timm's ``features_only`` models are: images (N, C, H, W) -> a list of maps."""

    def __init__(self, backbone: ElasticBackbone) -> None:
        super().__init__()
        self.backbone = backbone

    def rebuild(self, arch: Any) -> ElasticFeatures:
        """Return a new model of the same options for one architecture."""
        return ElasticFeatures(self.backbone.rebuild(arch))

    def forward(self, x: Any) -> list[Any]:
        return list(self.backbone(x))
