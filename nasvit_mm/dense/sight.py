"""How a model sees images: at what size, with what values, and by what attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from nasvit_mm.arguments import parameters_of
from nasvit_mm.building import read_file
from nasvit_mm.checkpoints import read_checkpoint
from nasvit_mm.config import parsed_config, type_name
from nasvit_mm.dense.config import inner_model
from nasvit_mm.errors import UsageError
from nasvit_mm.spaces import SCALE
from nasvit_mm.spaces.geometry import WHOLE

CONFIG = 'config.py'  # of an export's folder
PREPROCESSORS = ('SegDataPreProcessor', 'DetDataPreprocessor')


class Normalisation(NamedTuple):
    """What a preprocessor of OpenMMLab does to the values of an image.

    Attributes:
        mean, std: (3, 1, 1), or of another number of channels; 0 and 1 where it normalises nothing.
        swaps: whether it swaps the order of the channels, BGR and RGB.
    """

    mean: Tensor
    std: Tensor
    swaps: bool

    @classmethod
    def of(cls, model: nn.Module) -> Normalisation | None:
        """Return that of a model; None where its preprocessor does not say."""
        pre = getattr(model, 'data_preprocessor', None)
        if not hasattr(pre, '_enable_normalize'):
            return None
        swaps = bool(getattr(pre, '_channel_conversion', False))
        if not pre._enable_normalize:
            return cls(torch.zeros(1, 1, 1), torch.ones(1, 1, 1), swaps)
        return cls(pre.mean.detach().cpu().float(), pre.std.detach().cpu().float(), swaps)


def config_beside(source: str | Path, meta: Mapping[str, Any] | None = None) -> Config | None:
    """Return the config that a network was trained with, None if it is not told.

    Args:
        source: a checkpoint, which carries it, or the folder of an export.
        meta: what the checkpoint says of itself, where it was read before.

    Raises:
        UsageError: it is told, and cannot be read.
    """
    beside = Path(source) / CONFIG
    if beside.is_file():
        return read_file(beside)
    if meta is None and Path(source).is_file():
        meta = read_checkpoint(source).meta
    text = (meta or {}).get('cfg')
    return parsed_config(text) if isinstance(text, str) else None


def sees_otherwise(model: nn.Module, cfg: Config, with_task: bool = True) -> Iterator[str]:
    """Yield what a network saw otherwise in its training than a model does: a phrase each, the
    network's way first, with a remedy.

    Args:
        model: with a backbone of this project.
        cfg: that the network was trained with.
        with_task: whether it is laid into a supernet at its own scale, where that is a gene.
    """
    if cfg.get('model') is None:
        return
    theirs, ours = inner_model(cfg), model.backbone
    part = theirs.get('backbone') or theirs
    scale, attention = part.get('input_scale', WHOLE), part.get('attention', 'auto')
    if scale != ours.input_scale and not ours.space.has(SCALE):
        yield (
            f'it computes at {scale} % of the size of the images, the model at {ours.input_scale} '
            f'%: give the backbone input_scale={scale}, or the space of a supernet the choice, '
            f'space.task, scale=[{min(scale, ours.input_scale)}, {max(scale, ours.input_scale)}]'
        )
    if not with_task and ours.space.has(SCALE) and scale != ours.space.largest[SCALE]:
        yield (
            f'it computes at {scale} % of the size of the images, and its weights alone stand for '
            f'{ours.space.largest[SCALE]} %: begin by model.init, which lays it in at its own scale'
        )
    if attention != ours.attention:
        yield (
            f'its attention is {attention!r}, that of the model {ours.attention!r}: give the '
            f'backbone attention={attention!r}'
        )
    # What classifiers do otherwise than dense models is as their authors have it.
    for name in ours.ways if theirs.get('backbone') else ():
        given, own = part.get(name, parameters_of(type(ours))[name].default), ours.options[name]
        if given != own:
            yield (
                f'its backbone computes with {name}={given}, that of the model with {own}: give '
                f'the backbone {name}={given}'
            )
    one, other = _normalisation(theirs), Normalisation.of(model)
    if one is None or other is None or len(one.mean) != len(other.mean):
        return
    for name in ('mean', 'std'):
        values = [getattr(each, name).flatten() for each in (one, other)]
        if not torch.allclose(*values, rtol=1e-2, atol=1e-2):
            a, b = ([round(v, 3) for v in value.tolist()] for value in values)
            yield (
                f'its images are normalised by {name} = {a}, those of the model by {b}: give the '
                f'data_preprocessor {name}={a}'
            )
    if one.swaps != other.swaps:
        said = ['swaps' if each.swaps else 'leaves' for each in (one, other)]
        yield (
            f'its data_preprocessor {said[0]} the order of the channels, that of the model '
            f'{said[1]} it: give the data_preprocessor bgr_to_rgb={one.swaps}'
        )


def _normalisation(model: Mapping[str, Any]) -> Normalisation | None:
    """Return that of a model's config; None where it does not say."""
    pre = model.get('data_preprocessor') or {}
    if type_name(model) == 'ImageClassifier':  # of RGB images, whose values are 0 to 1
        given = pre.get('mean', IMAGENET_DEFAULT_MEAN), pre.get('std', IMAGENET_DEFAULT_STD)
        mean, std = (torch.tensor(values).view(-1, 1, 1) * 255 for values in given)
        return Normalisation(mean, std, True)
    if str(pre.get('type', '')).rpartition('.')[2] not in PREPROCESSORS:
        return None
    swaps = bool(pre.get('bgr_to_rgb') or pre.get('rgb_to_bgr'))
    if pre.get('mean') is None:
        return Normalisation(torch.zeros(1, 1, 1), torch.ones(1, 1, 1), swaps)
    mean, std = (torch.tensor(pre[k], dtype=torch.float).view(-1, 1, 1) for k in ('mean', 'std'))
    return Normalisation(mean, std, swaps)


def told_config(source: str) -> Config | None:
    """Return as :func:`config_beside` what a local file or folder tells; None where it cannot be
    read as a config, or where weights are meant by a name or address.
    """
    try:
        return config_beside(source) if Path(source).exists() else None
    except UsageError:  # of another program
        return None
