"""Whether images arrive with the channels that the backbone takes."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config
from torch import nn

from nasvit_mm.backbones import image_channels
from nasvit_mm.config import own_kind
from nasvit_mm.dense.config import inner_model
from nasvit_mm.errors import DataError, UsageError

STOCK = ('SegDataPreProcessor', 'DetDataPreprocessor', 'ImgDataPreprocessor')


def check_preprocessor(cfg: Config) -> None:
    """Check that the preprocessor of a config's model gives as many channels as its backbone takes.

    Raises:
        UsageError: its ``mean`` is of others, or it turns BGR where there is none; names the key.
    """
    model = inner_model(cfg)
    backbone, preprocessor = model.get('backbone'), model.get('data_preprocessor')
    if not backbone or not preprocessor or not hasattr(own_kind(backbone), 'read_space'):
        return
    channels = backbone.get('in_channels', 3)
    takes = f'the backbone takes images of {channels} channels (in_channels = {channels})'
    stock = str(preprocessor.get('type')).rpartition('.')[2] in STOCK
    for key in ('mean', 'std'):
        values = preprocessor.get(key)
        given = len(values) if isinstance(values, (list, tuple)) else 1
        if given not in (1, channels) or stock and given not in (1, 3):
            raise UsageError(
                f'data_preprocessor.{key} has {given} values, and {takes}: give mean=None, '
                "std=None, and normalise in the pipelines, by dict(type='Normalize', mean=[...], "
                f'std=[...], to_rgb=False) with {channels} values each'
            )
    for key in ('bgr_to_rgb', 'rgb_to_bgr'):
        if channels != 3 and preprocessor.get(key):
            raise UsageError(
                f'data_preprocessor.{key}=True puts three channels in order, and {takes}: set '
                f'{key}=False'
            )


def check_image_channels(batch: Any, model: nn.Module) -> None:
    """Check that the images of a batch, before the preprocessor, have the backbone's channels.

    Raises:
        DataError: names an image, and what to set.
    """
    images = batch.get('inputs', ()) if isinstance(batch, dict) else ()
    channels = image_channels(model)
    for i, image in enumerate(images):
        found = image.shape[-3] if getattr(image, 'ndim', 0) >= 3 else channels
        if found == channels:
            continue
        samples = batch.get('data_samples') or ()
        path = samples[i].metainfo.get('img_path') if i < len(samples) else None
        kind = {1: 'grayscale', 3: 'color'}.get(channels, 'unchanged')
        raise DataError(
            f'{path or "an image"} is loaded with {found} channels, and the backbone takes '
            f"{channels}: load images by dict(type='LoadImageFromFile', color_type={kind!r}), or "
            f'set in_channels={found} of the backbone'
        )
