"""Colours of classes, over an image's pixels and in a legend below.  numpy and Pillow only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
PAD = 6  # pixels around a legend


def class_colours(palette: Any, number: int) -> list[Colour]:
    """Return as many RGB colours as there are classes; those that a palette lacks are drawn, always
    the same.
    """
    more = np.random.RandomState(42).randint(0, 255, (number, 3)).tolist()
    known = [] if palette is None or isinstance(palette, (str, Mapping)) else list(palette)
    return [tuple(map(int, colour)) for colour in [*known, *more[len(known) :]][:number]]


def coloured(
    pixels: np.ndarray, labels: np.ndarray, colours: Sequence[Colour], opacity: float = 0.55
) -> np.ndarray:
    """Return (H, W, 3) pixels, uint8, under the colours of (H, W) labels; what is no class is left
    as it is.
    """
    known = labels < len(colours)
    colour = np.array(colours, np.float32)[np.where(known, labels, 0)]
    out = pixels + np.float32(opacity) * (colour - pixels)
    return np.where(known[..., None], out.round(), pixels).astype(np.uint8)


def with_legend(image: Image.Image, entries: Sequence[tuple[str, Colour]]) -> Image.Image:
    """Return an image above a legend: a box of each colour and the name beside it.

    Args:
        image: RGB; narrower than the longest name, it is put on a wider sheet.
        entries: names and colours; of none the image is returned as it is.
    """
    if not entries:
        return image
    height = min(max(image.width // 40, 11), 22)  # of the letters, in pixels
    font, line = ImageFont.load_default(size=height), height + PAD
    widths = [line + PAD + round(font.getlength(name)) + 3 * PAD for name, _ in entries]
    width = max(image.width, max(widths) + PAD)
    places, x, y = [], PAD, image.height + PAD
    for wanted in widths:
        if x + wanted > width:
            x, y = PAD, y + line
        places.append((x, y))
        x += wanted
    sheet = Image.new('RGB', (width, y + line), 'white')
    sheet.paste(image, (0, 0))
    draw = ImageDraw.Draw(sheet)
    for (name, colour), (x, y) in zip(entries, places):
        draw.rectangle((x, y, x + line, y + height - 1), colour, 'black')
        draw.text((x + line + PAD, y - 1), name, 'black', font)
    return sheet
