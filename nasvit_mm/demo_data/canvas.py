"""An image under construction: colours, labels and instances, painted together back to front."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from .classes import VOID, Label

TILE = 256  # side of a noise tile; a tile repeats without a seam
_SHADOWED = np.zeros(256, np.float32)  # 1 for the labels that a shadow may fall on
_SHADOWED[[Label.GRASS, Label.ROAD, Label.SIDEWALK]] = 1
_WET = np.zeros(256, np.float32)  # 1 for the label that mirrors what stands on it
_WET[Label.WATER] = 1


@cache
def noise_tile(roughness: float, variant: int = 0) -> np.ndarray:
    """Return seamless fractal noise of zero mean and unit deviation, (TILE, TILE) float32.

    Filtering white noise in the frequency domain by f^-roughness makes it periodic for free. Tiles
    are made once and shared: scenes differ in where they cut from them. A roughness of 0.5 looks
    like grain, 1 like leaves, 2 like clouds.
    """
    white = np.random.default_rng([variant, int(roughness * 1000)]).standard_normal((TILE, TILE))
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :])
    frequency[0, 0] = np.inf  # no mean
    tile = np.fft.irfft2(np.fft.rfft2(white) * frequency**-roughness, s=(TILE, TILE))
    tile = (tile / tile.std()).astype(np.float32)
    tile.flags.writeable = False
    return tile


def sample_noise(tile: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Sample a tile at columns ``u`` and rows ``v``, real numbers of any common shape; float32."""
    shape = np.broadcast_shapes(u.shape, v.shape)
    u, v = (np.broadcast_to(np.float32(a - TILE * np.floor(a / TILE)), shape) for a in (u, v))
    return cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).reshape(shape)


@cache
def _four_tiles(roughness: float) -> np.ndarray:
    tiles = np.tile(noise_tile(roughness), (2, 2))
    tiles.flags.writeable = False
    return tiles


def noise_patch(
    rng: np.random.Generator, roughness: float, height: int, width: int, step: float = 1.0
) -> np.ndarray:
    """Cut noise at a random place, (height, width) float32.

    ``step`` is the number of tile cells per pixel (a small one gives large blobs).

    A patch that would need more than one tile is an enlarged tile. This is faster than
    ``sample_noise``.
    """
    u, v = rng.integers(0, TILE, 2)
    step = min(step, TILE / max(height, width))
    rows, columns = max(1, round(height * step)), max(1, round(width * step))
    cut = _four_tiles(roughness)[v : v + rows, u : u + columns]
    return cut if step == 1.0 else cv2.resize(cut, (width, height), interpolation=cv2.INTER_LINEAR)


# numpy is slow if the last axis has length 3, so colour arithmetic on images goes through cv2


def grey(tone: np.ndarray) -> np.ndarray:
    """Expand a plane (h, w) to three equal channels, (h, w, 3) float32."""
    return cv2.cvtColor(np.ascontiguousarray(tone, np.float32), cv2.COLOR_GRAY2RGB)


def tint(tone: np.ndarray, colour: Sequence[float]) -> np.ndarray:
    """Multiply ``colour`` (3,) by ``tone`` (h, w) or (h, w, 3) in each pixel, (h, w, 3) float32."""
    tone = grey(tone) if tone.ndim == 2 else tone
    return cv2.transform(tone, np.diag(colour).astype(np.float32))


def blend(under: np.ndarray, over: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mix ``share`` (h, w) of ``over`` into ``under`` (h, w, 3).

    ``over`` is an image (h, w, 3) or a colour (3,).
    """
    if over.ndim == 1:
        difference = cv2.transform(under, np.column_stack([-np.eye(3), over]).astype(np.float32))
    else:
        difference = over - under
    return under + difference * grey(share)


@dataclass(frozen=True)
class Sprite:
    """An object's image: premultiplied RGB and opacity, (h, w, 4) float32 in 0..1.

    ``foot`` is the (column, row) of the sprite that is put on the ground point.
    """

    rgba: np.ndarray
    foot: tuple[float, float]


class Canvas:
    """The image being painted.

    Colours are (H, W, 3) float32 RGB in 0..1, labels (H, W) uint8, instance numbers (H, W) uint16,
    0 for none.
    """

    def __init__(self, height: int, width: int):
        self.height, self.width = height, width
        self.image = np.zeros((height, width, 3), np.float32)
        self.labels = np.full((height, width), VOID, np.uint8)
        self.numbers = np.zeros((height, width), np.uint16)
        self.things: list[
            tuple[int, int]
        ] = []  # (label, pixels if nothing covered it), by number - 1

    def fill(self, mask: np.ndarray, colour: np.ndarray, label: int, top: int = 0) -> None:
        """Paint ``colour`` (h, W, 3) where ``mask`` (h, W) bool holds, from row ``top`` on."""
        rows = slice(top, top + mask.shape[0])
        cv2.copyTo(np.ascontiguousarray(colour, np.float32), mask.view(np.uint8), self.image[rows])
        self.labels[rows][mask] = label

    def paste(self, sprite: Sprite, x: float, y: float, label: int, thing: bool = False) -> None:
        """Put the sprite's foot on (column x, row y). ``thing`` gives it an instance number."""
        cut = self._overlap(sprite.rgba.shape, x - sprite.foot[0], y - sprite.foot[1])
        if cut is None:
            return
        here, there = cut
        rgba = sprite.rgba[there]
        alpha = rgba[..., 3]
        self.image[here] = self.image[here] * grey(1 - alpha) + rgba[..., :3]
        solid = alpha >= 0.5
        self.labels[here][solid] = label
        if thing and solid.any():
            self.things.append((int(label), int(solid.sum())))
            self.numbers[here][solid] = len(self.things)
        else:
            self.numbers[here][solid] = 0

    def shadow(
        self, sprite: Sprite, x: float, y: float, lean: tuple[float, float], strength: float
    ) -> None:
        """Darken the ground under and beside a standing sprite; labels stay.

        ``lean``: how far to the right and down the shadow of a point one pixel above the ground
        falls, in pixels.
        """
        h, w = sprite.rgba.shape[:2]
        reach = int(np.ceil(abs(lean[0]) * h)) + 3
        rise, fall = int(max(0.0, -lean[1]) * h) + 3, int(max(0.0, lean[1]) * h) + 3
        foot_x, foot_y = sprite.foot
        # a sprite's point (c, r) is foot_y - r above the ground; the matrix gives the place of its
        # shadow in the patch
        matrix = np.float32(
            [[1, -lean[0], reach + lean[0] * foot_y], [0, -lean[1], rise + lean[1] * foot_y]]
        )
        patch = cv2.warpAffine(
            np.ascontiguousarray(sprite.rgba[..., 3]), matrix, (w + 2 * reach, rise + fall)
        )
        patch = cv2.GaussianBlur(patch, (0, 0), 0.6 + 0.02 * h)
        self._multiply(patch, x - foot_x - reach, y - rise, strength, _SHADOWED)

    def darken(self, mask: np.ndarray, strength: float) -> None:
        """Darken the ground under a mask of the whole image, (H, W) float32 0..1; labels stay."""
        self._multiply(mask, 0, 0, strength, _SHADOWED)

    def mirror(self, sprite: Sprite, x: float, y: float, strength: float) -> None:
        """Blend the sprite upside down into the water below its foot; labels stay."""
        rgba = sprite.rgba[::-1] * np.float32(strength)
        cut = self._overlap(rgba.shape, x - sprite.foot[0], y + sprite.foot[1] - rgba.shape[0])
        if cut is not None:
            here, there = cut
            rgba, wet = rgba[there], _WET[self.labels[here]]
            self.image[here] = self.image[here] * grey(1 - wet * rgba[..., 3]) + rgba[
                ..., :3
            ] * grey(wet)

    def _multiply(
        self, patch: np.ndarray, left: float, top: float, strength: float, where: np.ndarray
    ) -> None:
        cut = self._overlap(patch.shape, left, top)
        if cut is not None:
            here, there = cut
            self.image[here] *= grey(1 - strength * (patch[there] * where[self.labels[here]]))

    def _overlap(self, shape: tuple[int, ...], left: float, top: float):
        """Return slices of the image and of a patch at (left, top) where they overlap, or None."""
        x, y = round(left), round(top)
        x0, x1 = max(0, x), min(self.width, x + shape[1])
        y0, y1 = max(0, y), min(self.height, y + shape[0])
        if x0 >= x1 or y0 >= y1:
            return None
        return (slice(y0, y1), slice(x0, x1)), (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
