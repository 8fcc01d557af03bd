"""Masks in the resolution of a network, drawn in pixels of an image: numpy only.

As mmdet draws them: by bilinear interpolation, whose rows and columns are two small matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nasvit_mm.deploy.artefact import BOX


def pasted(
    masks: np.ndarray,
    boxes: np.ndarray,
    form: Mapping[str, Any],
    size: tuple[int, int],
    scale: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """Return masks in pixels of an image, bool (M, H, W).

    Args:
        masks: (M, h, w) float, as a graph gives them.
        boxes: (M, 4) in pixels of the image, x1, y1, x2, y2.
        form: of the artefact's output ``masks``: ``covers``, ``threshold``, ``input``.
        size: (width, height) of the image.
        scale: of x and y, from the image to the graph's input.
    """
    height, width = size[1], size[0]
    found = np.zeros((len(masks), height, width), bool)
    if form['covers'] != BOX:
        sides = zip((height, width), scale[::-1], form['input'], masks.shape[1:])
        rows, columns = (_of_input(*side) for side in sides)
        for index, mask in enumerate(masks):
            found[index] = rows @ mask @ columns.T >= form['threshold']
        return found
    for index, (mask, (x1, y1, x2, y2)) in enumerate(zip(masks, boxes)):
        top, bottom = _whole(y1, y2, height)
        left, right = _whole(x1, x2, width)
        rows = _of_box(np.arange(top, bottom), y1, y2, mask.shape[0])
        columns = _of_box(np.arange(left, right), x1, x2, mask.shape[1])
        found[index, top:bottom, left:right] = rows @ mask @ columns.T >= form['threshold']
    return found


def _whole(start: float, end: float, side: int) -> tuple[int, int]:
    """Return the pixels that a box touches along a side, as a range."""
    return max(0, int(np.floor(start)) - 1), min(side, int(np.ceil(end)) + 1)


def _of_box(pixels: np.ndarray, start: float, end: float, cells: int) -> np.ndarray:
    """Return the share of each cell in each pixel, (pixels, cells); beyond the cells there is 0."""
    places = (pixels + 0.5 - start) / max(end - start, 1e-6) * cells - 0.5
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(cells))).astype(np.float32)


def _of_input(pixels: int, scale: float, side: int, cells: int) -> np.ndarray:
    """Return the share of each cell in each pixel of an image, (pixels, cells).

    Twice interpolated, as by mmdet: from cells to the input's pixels, from these to the image's.

    Args:
        pixels, scale: of the image along one side.
        side: of the input in pixels.
    """
    return _resized(pixels, scale, side) @ _resized(side, cells / side, cells)


def _resized(to: int, scale: float, cells: int) -> np.ndarray:
    places = np.clip((np.arange(to) + 0.5) * scale - 0.5, 0, cells - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(cells))).astype(np.float32)
