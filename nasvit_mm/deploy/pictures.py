"""What an artefact predicts, drawn over the image: numpy and Pillow only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nasvit_mm.legend import Colour, class_colours, coloured, with_legend

BEST = 5  # classes of an image


def draw_labels(
    image: Image.Image,
    labels: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Any],
    opacity: float,
) -> Image.Image:
    """Return an image with the classes of its pixels, above a legend of those that occur.

    Args:
        labels: (H, W) of the image's size; what is no class is left as it is.
        opacity: of the colours, 0 to 1.
    """
    colours = class_colours(palette, len(classes))
    drawn = Image.fromarray(coloured(np.asarray(image), labels, colours, opacity))
    there = np.unique(labels[labels < len(classes)]).tolist()
    return with_legend(drawn, [(classes[label], colours[label]) for label in there])


def draw_objects(
    image: Image.Image,
    found: Any,
    classes: Sequence[str],
    palette: Sequence[Any],
    opacity: float,
    score: float,
) -> Image.Image:
    """Return an image with boxes and scores, and masks where there are some, above a legend.

    Args:
        found: ``Boxes`` or ``Instances``.
        score: of what is drawn, at least.
    """
    colours, shown = class_colours(palette, len(classes)), found.scores >= score
    pixels = np.array(image, np.float32)
    masks = found.masks[shown] if hasattr(found, 'masks') else ()
    for mask, label in zip(masks, found.labels[shown]):
        pixels[mask] += opacity * (np.array(colours[label]) - pixels[mask])
    drawn = Image.fromarray(pixels.round().astype(np.uint8))
    draw, line = ImageDraw.Draw(drawn), max(1, drawn.width // 300)
    font = ImageFont.load_default(size=min(max(drawn.width // 50, 10), 18))
    for box, value, label in zip(found.boxes[shown], found.scores[shown], found.labels[shown]):
        draw.rectangle(box.tolist(), outline=colours[label], width=line)
        draw.text((box[0] + line + 1, box[1] + line), f'{value:.2f}', colours[label], font)
    there = np.unique(found.labels[shown]).tolist()
    return with_legend(drawn, [(classes[label], colours[label]) for label in there])


def draw_classes(image: Image.Image, scores: np.ndarray, classes: Sequence[str]) -> Image.Image:
    """Return an image above its likeliest classes, a bar of grey each: the darker, the surer."""
    best = np.argsort(-scores, kind='stable')[:BEST].tolist()
    entries: list[tuple[str, Colour]] = []
    for label in best:
        grey = round(255 * (1 - float(scores[label])))
        name = classes[label] if label < len(classes) else str(label)
        entries.append((f'{name} {scores[label]:.2f}', (grey, grey, grey)))
    return with_legend(image, entries)
