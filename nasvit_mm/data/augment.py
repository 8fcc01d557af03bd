"""timm's transforms of images to classify; of their steps the random crop is done faster."""

from __future__ import annotations

import random
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.data import create_transform
from timm.data.transforms import RandomResizedCropAndInterpolation
from torch import Tensor
from torchvision.transforms import ColorJitter, Compose, InterpolationMode
from torchvision.transforms.v2.functional import resize

from nasvit_mm.errors import UsageError

QUICK = (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)  # of bytes, by torch


class PixelCrop:
    """timm's random resized crop, resized by torch.

    It draws what timm's draws.  torch resizes bytes as Pillow does, in a quarter of the time; of a
    photograph some values in a thousand differ, by 1 of 255.
    """

    def __init__(self, crop: RandomResizedCropAndInterpolation) -> None:
        self.crop = crop
        mode = crop.interpolation
        self.modes = tuple(mode) if isinstance(mode, (tuple, list)) else (mode,)

    def __call__(self, image: Image.Image) -> Image.Image:
        top, left, height, width = self.crop.get_params(image, self.crop.scale, self.crop.ratio)
        mode = random.choice(self.modes) if len(self.modes) > 1 else self.modes[0]
        part = np.array(image.crop((left, top, left + width, top + height)))  # (H, W, 3)
        pixels = torch.from_numpy(part).permute(2, 0, 1)
        found = resize(pixels, self.crop.size, mode, antialias=True)
        return Image.fromarray(found.permute(1, 2, 0).contiguous().numpy())


class ImageTransform:
    """timm's transform, from an image in RGB to a tensor.

    Args:
        force_color_jitter: keep the colour jitter that timm drops when ``auto_augment`` is given.
        options: of ``timm.data.create_transform``.  With ``normalize=False`` the tensor is uint8,
            and the model's preprocessor normalises, and erases.

    Raises:
        UsageError: timm does not have such an argument, or it would have no effect with
            ``normalize=False``.
    """

    def __init__(self, force_color_jitter: bool = False, **options: Any) -> None:
        if not options.get('normalize', True):
            _check_left_to_model(options)
        self.steps = _transform(force_color_jitter, options)
        first = self.steps.transforms[0]
        if type(first) is RandomResizedCropAndInterpolation:
            crop = PixelCrop(first)
            if set(crop.modes) <= set(QUICK):
                self.steps.transforms[0] = crop

    def __call__(self, image: Image.Image) -> Tensor:
        """Return the tensor (3, H, W) of an image, float or uint8.

        Raises:
            TypeError: the transform makes something else.
        """
        inputs = self.steps(image)
        if not torch.is_tensor(inputs):
            raise TypeError(f'the transform gives a {type(inputs).__name__}, expected a tensor')
        return inputs


def decoded_image(encoded: bytes) -> Image.Image:
    """Return the image, in RGB, of an image file's bytes.

    Raises:
        OSError: the bytes are no image, or not all of one.
    """
    with Image.open(BytesIO(encoded)) as image:
        return image.convert('RGB')


def _check_left_to_model(options: dict[str, Any]) -> None:
    """Check that nothing is given that timm ignores where images stay bytes."""
    moved = dict(re_prob='erasing=dict(probability={})', mean='mean={}', std='std={}')
    for name, form in moved.items():
        if options.get(name):
            there = form.format(options[name])
            raise UsageError(
                f'transform: {name} = {options[name]} has no effect with normalize=False, which '
                f'leaves images to the model: leave {name} out and give data_preprocessor=dict('
                f"type='nasvit_mm.ClassificationPreprocessor', {there}), or leave out "
                'normalize=False'
            )


def _transform(force_color_jitter: bool, options: dict[str, Any]) -> Compose:
    def create(**changes: Any) -> Any:
        try:
            return create_transform(**{**options, **changes})
        except TypeError as error:
            raise UsageError(f'transform = {options}: {error}') from error

    if not (force_color_jitter and options.get('is_training') and not options.get('no_aug')):
        return create()
    first, second, last = create(separate=True)
    if not any(isinstance(step, ColorJitter) for step in second.transforms):
        without = create(auto_augment=None, separate=True)[1]
        second.transforms[1:1] = [
            step for step in without.transforms if isinstance(step, ColorJitter)
        ]
    return Compose([*first.transforms, *second.transforms, *last.transforms])
