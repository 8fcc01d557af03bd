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
from torchvision.io import decode_jpeg
from torchvision.transforms import ColorJitter, Compose, InterpolationMode
from torchvision.transforms.v2.functional import resized_crop

from nasvit_mm.errors import UsageError

JPEG = b'\xff\xd8\xff'
QUICK = (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)  # of bytes, by torch


class PixelCrop:
    """timm's random resized crop, of pixels instead of a Pillow image.

    It draws what timm's draws.  torch resizes bytes as Pillow does, in a quarter of the time; of a
    photograph some values in a thousand differ, by 1 of 255 (benchmarks/data.py).
    """

    def __init__(self, crop: RandomResizedCropAndInterpolation) -> None:
        self.crop = crop
        mode = crop.interpolation
        self.modes = tuple(mode) if isinstance(mode, (tuple, list)) else (mode,)

    def __call__(self, pixels: Tensor) -> Image.Image:
        """Return the crop of pixels (3, H, W) uint8."""
        place = self.crop.get_params(pixels, self.crop.scale, self.crop.ratio)
        mode = random.choice(self.modes) if len(self.modes) > 1 else self.modes[0]
        found = resized_crop(pixels, *place, self.crop.size, mode, antialias=True)
        return Image.fromarray(found.permute(1, 2, 0).contiguous().numpy())  # (H, W, 3)


class ImageTransform:
    """timm's transform, of what ``decode`` makes of the bytes of an image file, to a tensor.

    Args:
        force_color_jitter: keep the colour jitter that timm drops when ``auto_augment`` is given.
        options: of ``timm.data.create_transform``.  With ``normalize=False`` the tensor is uint8,
            and the model's preprocessor normalises, and erases.

    Attributes:
        decode: takes bytes, returns a Pillow image or pixels, whichever the first step takes.

    Raises:
        UsageError: timm does not have such an argument, or it would have no effect with
            ``normalize=False``.
    """

    def __init__(self, force_color_jitter: bool = False, **options: Any) -> None:
        if not options.get('normalize', True):
            _check_left_to_model(options)
        self.steps = _transform(force_color_jitter, options)
        self.decode = decoded_image
        first = self.steps.transforms[0]
        if type(first) is RandomResizedCropAndInterpolation:
            crop = PixelCrop(first)
            if set(crop.modes) <= set(QUICK):
                self.steps.transforms[0], self.decode = crop, decoded_pixels

    def __call__(self, image: Image.Image | Tensor) -> Tensor:
        """Return the tensor (3, H, W) of a decoded image, float or uint8.

        Raises:
            TypeError: the transform makes something else.
        """
        inputs = self.steps(image)
        if not torch.is_tensor(inputs):
            raise TypeError(f'the transform gives a {type(inputs).__name__}, expected a tensor')
        return inputs


def decoded_pixels(encoded: bytes) -> Tensor:
    """Return the pixels (3, H, W) uint8 in RGB, those that Pillow decodes.

    Raises:
        OSError: the bytes are no image, or not all of one.
    """
    if encoded.startswith(JPEG):
        try:
            pixels = decode_jpeg(torch.frombuffer(bytearray(encoded), dtype=torch.uint8))
        except (RuntimeError, AttributeError):  # damaged, or torchvision was built without libjpeg
            pixels = None
        if pixels is not None and len(pixels) in (1, 3):  # CMYK has 4
            return pixels.expand(3, -1, -1)
    return torch.from_numpy(np.array(decoded_image(encoded))).permute(2, 0, 1)


def decoded_image(encoded: bytes) -> Image.Image:
    """Return an image file's pixels as an image of Pillow, in RGB."""
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
