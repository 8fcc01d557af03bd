"""A cut image is an error, and the faster crop is timm's."""

from __future__ import annotations

import random
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform

from nasvit_mm.data.augment import ImageTransform, decoded_image
from nasvit_mm.errors import UsageError


def photograph() -> Image.Image:
    """A smooth image of 120 x 90 with some noise."""
    noise = np.random.default_rng(0)
    small = noise.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(small).resize((120, 90), Image.Resampling.BICUBIC))
    pixels = pixels + noise.normal(0, 4, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def file_of(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, 'JPEG')
    return file.getvalue()


def test_a_cut_file_is_an_error():
    with pytest.raises(OSError, match='truncated'):
        decoded_image(file_of(photograph())[:-900])


@pytest.mark.parametrize('interpolation', ['bicubic', 'random', 'lanczos'])
def test_the_crop_is_that_of_timm(interpolation):
    options = dict(
        input_size=48,
        is_training=True,
        color_jitter=0.4,
        interpolation=interpolation,
        re_prob=0.5,
        re_mode='pixel',
    )
    ours, theirs = ImageTransform(**options), create_transform(**options)
    for seed in range(8):
        found = []
        for transform in (ours, theirs):
            random.seed(seed)
            torch.manual_seed(seed)
            found.append(transform(photograph()))
        # A value of a byte that rounds to the other side, and what the jitter makes of it.
        assert (found[0] - found[1]).abs().max() <= 3 / 255 / 0.22


@pytest.mark.parametrize(
    ('option', 'remedy'),
    [
        (dict(re_prob=0.25), r'erasing=dict\(probability=0.25\)'),
        (dict(mean=(0.5, 0.5, 0.5)), r'mean=\(0.5, 0.5, 0.5\)'),
    ],
)
def test_what_bytes_leave_to_the_model(option, remedy):
    with pytest.raises(UsageError, match=f'has no effect with normalize=False.*{remedy}'):
        ImageTransform(input_size=32, is_training=True, normalize=False, **option)
