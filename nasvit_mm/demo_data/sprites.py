"""Trees, people, cars, buses, boats and lamps, drawn in metres and rendered at any scale.

Every function takes a random generator, which selects one of its kind, ``scale`` in pixels per
metre, and the sun's position (-1 left .. 1 right). It returns a ``Sprite`` that stands on its lower
middle, in white light. Colours are RGB in 0..1.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from .canvas import Sprite, noise_patch

Colour = Sequence[float]
_DARK = (0.06, 0.06, 0.07)
_GLASS = (0.16, 0.21, 0.27)
_PAINTS = np.array(  # what cars are sold in
    [
        (0.78, 0.10, 0.10),
        (0.12, 0.24, 0.62),
        (0.92, 0.92, 0.93),
        (0.62, 0.64, 0.67),
        (0.13, 0.14, 0.16),
        (0.93, 0.74, 0.12),
        (0.10, 0.45, 0.42),
        (0.85, 0.42, 0.10),
        (0.38, 0.10, 0.18),
        (0.55, 0.70, 0.82),
    ]
)
_CLOTHES = np.array(
    [
        (0.80, 0.15, 0.18),
        (0.95, 0.85, 0.25),
        (0.20, 0.35, 0.75),
        (0.90, 0.90, 0.88),
        (0.85, 0.35, 0.60),
        (0.95, 0.50, 0.15),
        (0.35, 0.20, 0.55),
        (0.15, 0.55, 0.60),
        (0.15, 0.15, 0.18),
        (0.50, 0.75, 0.90),
    ]
)
_SKINS = np.array([(0.95, 0.78, 0.66), (0.85, 0.64, 0.48), (0.62, 0.43, 0.30), (0.38, 0.25, 0.18)])
_LEAVES = np.array([(0.10, 0.30, 0.09), (0.16, 0.36, 0.10), (0.08, 0.25, 0.14), (0.24, 0.36, 0.10)])
_AUTUMN = np.array([(0.62, 0.30, 0.08), (0.55, 0.16, 0.08), (0.66, 0.48, 0.12)])


class Pen:
    """Draws flat shapes, in metres, at several times the final size.

    x runs to the right from the left edge, y up from the ground.
    """

    def __init__(self, width: float, height: float, scale: float):
        self.size = max(2, round(width * scale)), max(2, round(height * scale))
        self.zoom = 4 if max(self.size) < 48 else 2
        shape = self.size[1] * self.zoom, self.size[0] * self.zoom, 4
        self.rgba = np.zeros(shape, np.float32)
        self.per_metre = np.array([shape[1] / width, shape[0] / height])

    def _pixels(self, points) -> np.ndarray:
        """Convert metres to pixels of the enlarged image, with 3 fractional bits, (n, 2) int32."""
        points = np.asarray(points, float) * self.per_metre
        points[:, 1] = self.rgba.shape[0] - points[:, 1]
        return np.round((points - 0.5) * 8).astype(np.int32)

    def polygon(self, points, colour: Colour) -> None:
        cv2.fillPoly(self.rgba, [self._pixels(points)], (*map(float, colour), 1.0), shift=3)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        self.polygon(np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1), colour)

    def limb(self, points, width: float, colour: Colour) -> None:
        """Draw a rounded stroke through the points."""
        thickness = max(1, round(width * self.per_metre[0]))
        cv2.polylines(
            self.rgba,
            [self._pixels(points)],
            False,
            (*map(float, colour), 1.0),
            thickness,
            cv2.LINE_8,
            shift=3,
        )

    def sprite(self, rng: np.random.Generator, grain: float = 0.05, relief: float = 0.25) -> Sprite:
        """Reduce to the final size.

        Args:
            grain: amount of surface noise.
            relief: how much darker the bottom is than the top.
        """
        width, height = self.size
        rgba = cv2.resize(self.rgba, self.size, interpolation=cv2.INTER_AREA)
        tone = 1 + grain * noise_patch(rng, 0.6, height, width)
        tone = tone * np.linspace(1 + relief / 2, 1 - relief / 2, height, dtype=np.float32)[:, None]
        rgba *= cv2.merge([tone, tone, tone, np.ones_like(tone)])
        return Sprite(rgba, (width / 2, height))


def tree(rng: np.random.Generator, scale: float, sun: float) -> Sprite:
    """Draw a broad-leaved tree, a fir or a poplar, 4 to 10 m."""
    kind = rng.choice(['broad', 'fir', 'poplar'], p=[0.6, 0.25, 0.15])
    high = rng.uniform(4, 9) if kind == 'broad' else rng.uniform(5, 10)
    wide = (
        high
        * {'broad': rng.uniform(0.7, 0.95), 'fir': rng.uniform(0.4, 0.55), 'poplar': 0.32}[kind]
    )
    leaf = _LEAVES[rng.integers(len(_LEAVES))]
    if kind == 'broad' and rng.random() < 0.15:
        leaf = _AUTUMN[rng.integers(len(_AUTUMN))]
    leaf = leaf * rng.uniform(0.85, 1.25)
    bare = {'broad': 0.28, 'fir': 0.1, 'poplar': 0.1}[kind]  # height of the crown's lower edge

    pen = Pen(wide, high, scale)
    trunk = 0.035 * high
    bark = np.array([0.30, 0.21, 0.14]) * rng.uniform(0.7, 1.2)
    foot, top = [(wide / 2 - trunk, 0), (wide / 2 + trunk, 0)], high * (bare + 0.25)
    pen.polygon([*foot, (wide / 2 + trunk / 2, top), (wide / 2 - trunk / 2, top)], bark)
    rgba = pen.sprite(rng).rgba
    h, w = rgba.shape[:2]

    x = np.linspace(-1, 1, w, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, h, dtype=np.float32)[:, None] / (
        1 - bare
    )  # 0 top .. 1 lower edge of the crown
    step = min(2.0, 90 / h)  # so that a crown has the same number of leaf clumps near and far
    clump = noise_patch(rng, 1.1, h, w, step)
    if kind == 'fir':
        saw = 0.8 + 0.2 * np.mod(y * 5, 1)  # tiers of branches
        inside = y * saw - np.abs(x) * 1.05 + 0.03
        inside = np.minimum(inside, (1.0 - y) * 4) * 2.2
    else:
        inside = 1 - (x / 0.85) ** 2 - ((y - 0.5) / 0.44) ** 2
    alpha = np.clip((inside + 0.16 * clump) * max(3.0, h / 9) + 0.5, 0, 1)
    tone = 0.95 + 0.26 * clump + 0.3 * (0.45 - y) + 0.22 * sun * x
    tone = tone + 0.12 * noise_patch(rng, 0.5, h, w)
    tone = np.clip(tone, 0.25, 1.8) * alpha
    bare = 1 - alpha
    rgba *= cv2.merge([bare, bare, bare, bare])
    rgba += cv2.merge(
        [tone * np.float32(leaf[0]), tone * np.float32(leaf[1]), tone * np.float32(leaf[2]), alpha]
    )
    return Sprite(rgba, (w / 2, h))


def person(rng: np.random.Generator, scale: float, sun: float) -> Sprite:
    """Draw somebody standing or walking, 1.2 to 1.9 m, in any clothes."""
    high = rng.uniform(1.55, 1.9) if rng.random() < 0.85 else rng.uniform(1.1, 1.4)
    k = high / 1.75  # the figure below is 1.75 m tall
    pen = Pen(1.0 * k, 1.75 * k, scale)
    pen.per_metre = pen.per_metre * k
    shirt, trousers = _CLOTHES[rng.integers(len(_CLOTHES), size=2)] * rng.uniform(0.8, 1.05)
    trousers = trousers * 0.55
    skin, hair = (
        _SKINS[rng.integers(len(_SKINS))],
        np.array([0.2, 0.13, 0.08]) * rng.uniform(0.3, 3.0),
    )
    stride, swing = rng.uniform(0, 0.26), rng.uniform(-0.16, 0.16)
    for side in (-1, 1):
        knee = (0.5 + side * (0.08 + stride * 0.45), 0.45)
        pen.limb(
            [(0.5 + side * 0.08, 0.88), knee, (0.5 + side * (0.08 + stride), 0.08)], 0.15, trousers
        )
        pen.ellipse(0.53 + side * (0.08 + stride), 0.05, 0.11, 0.05, _DARK)
    pen.limb([(0.32, 1.38), (0.24 - swing, 1.12), (0.26 - 1.5 * swing, 0.88)], 0.1, shirt * 0.85)
    pen.limb([(0.68, 1.38), (0.76 + swing, 1.12), (0.74 + 1.5 * swing, 0.88)], 0.1, shirt * 0.85)
    for x in (0.26 - 1.5 * swing, 0.74 + 1.5 * swing):
        pen.ellipse(x, 0.84, 0.05, 0.06, skin)
    pen.polygon([(0.29, 1.44), (0.71, 1.44), (0.66, 0.85), (0.34, 0.85)], shirt)
    if rng.random() < 0.3:  # a skirt or a long coat
        pen.polygon(
            [(0.36, 0.95), (0.64, 0.95), (0.74, 0.5), (0.26, 0.5)], shirt * rng.uniform(0.6, 0.95)
        )
    if rng.random() < 0.3:  # a bag
        side = rng.choice([0.26, 0.74])
        pen.box(side - 0.11, 0.85, side + 0.11, 1.12, _CLOTHES[rng.integers(len(_CLOTHES))] * 0.7)
    pen.box(0.45, 1.4, 0.55, 1.52, skin * 0.85)
    pen.ellipse(0.5, 1.6, 0.1, 0.13, skin)
    cap = [(0.39, 1.62), (0.41, 1.72), (0.5, 1.75), (0.59, 1.72), (0.61, 1.62), (0.5, 1.67)]
    pen.polygon(cap, hair)
    return pen.sprite(rng, relief=0.15)


def car_side(rng: np.random.Generator, scale: float, sun: float) -> Sprite:
    """Draw a saloon, hatchback or estate seen from the side, about 4.3 x 1.5 m."""
    long, high = rng.uniform(3.9, 4.7), rng.uniform(1.4, 1.75)
    paint = _PAINTS[rng.integers(len(_PAINTS))] * rng.uniform(0.85, 1.05)
    pen = Pen(long, high, scale)
    belt = 0.58 * high
    front, back = (
        0.30 * long,
        long * rng.choice([0.80, 0.88, 0.96]),
    )  # where the windows begin and end on the belt
    roof = [(front + 0.16 * long, high), (back - 0.10 * long, high)]
    pen.polygon([(front, belt), roof[0], roof[1], (back, belt)], paint)
    shell = [
        (0, 0.28),
        (long, 0.28),
        (long, 0.52 * high),
        (back, belt + 0.03),
        (front, belt + 0.03),
    ]
    pen.polygon([*shell, (0.04 * long, 0.48 * high), (0, 0.36 * high)], paint)
    pillar = (roof[0][0] + roof[1][0]) / 2
    glass = np.array(_GLASS) * rng.uniform(0.8, 1.7)
    pen.polygon(
        [
            (front + 0.12, belt),
            (roof[0][0] + 0.03, high - 0.1),
            (pillar - 0.05, high - 0.1),
            (pillar - 0.05, belt),
        ],
        glass,
    )
    pen.polygon(
        [
            (pillar + 0.05, belt),
            (pillar + 0.05, high - 0.1),
            (roof[1][0] - 0.05, high - 0.1),
            (back - 0.15, belt),
        ],
        glass,
    )
    pen.box(0.1, 0.2, long - 0.1, 0.34, _DARK)
    pen.box(pillar - 0.02, 0.34, pillar + 0.02, belt, paint * 0.6)
    pen.box(0.0, 0.36 * high, 0.16, 0.45 * high, (1.0, 0.96, 0.8))
    pen.box(long - 0.14, 0.38 * high, long, 0.5 * high, (0.85, 0.08, 0.06))
    for x in (0.2 * long, 0.81 * long):
        _wheel(pen, x, 0.33)
    return _either_way(rng, pen.sprite(rng, 0.03))


def car_end(rng: np.random.Generator, scale: float, sun: float) -> Sprite:
    """Draw a car seen from in front or from behind, about 1.8 x 1.5 m."""
    wide, high = rng.uniform(1.7, 1.95), rng.uniform(1.4, 1.8)
    paint = _PAINTS[rng.integers(len(_PAINTS))] * rng.uniform(0.85, 1.05)
    ahead = rng.random() < 0.5
    pen = Pen(wide, high, scale)
    for x in (0.04, wide - 0.28):
        pen.box(x, 0.0, x + 0.24, 0.4, _DARK)
    belt, inset = 0.58 * high, 0.16 * wide
    pen.polygon(
        [
            (0.03, belt),
            (inset, high - 0.03),
            (inset + 0.1, high),
            (wide - inset - 0.1, high),
            (wide - inset, high - 0.03),
            (wide - 0.03, belt),
        ],
        paint * 0.95,
    )
    pen.polygon(
        [
            (0, 0.3),
            (0.05, 0.2),
            (wide - 0.05, 0.2),
            (wide, 0.3),
            (wide, belt - 0.1),
            (wide - 0.06, belt + 0.03),
            (0.06, belt + 0.03),
            (0, belt - 0.1),
        ],
        paint,
    )
    glass = np.array(_GLASS) * rng.uniform(0.8, 1.7)
    pen.polygon(
        [
            (0.15, belt + 0.04),
            (inset + 0.07, high - 0.1),
            (wide - inset - 0.07, high - 0.1),
            (wide - 0.15, belt + 0.04),
        ],
        glass,
    )
    pen.box(0.05, 0.2, wide - 0.05, 0.34, np.multiply(_DARK, 2))
    if ahead:
        pen.box(0.28 * wide, 0.4, 0.72 * wide, 0.55, _DARK)
    lamp = (1.0, 0.97, 0.85) if ahead else (0.88, 0.06, 0.05)
    for x in (0.06, wide - 0.4):
        pen.box(x, belt - 0.28, x + 0.34, belt - 0.12, lamp)
    pen.box(wide / 2 - 0.25, 0.36, wide / 2 + 0.25, 0.48, (0.92, 0.92, 0.86))
    return pen.sprite(rng, 0.03)


def bus_side(rng: np.random.Generator, scale: float, sun: float) -> Sprite:
    """Draw a city bus seen from the side, about 11 x 3.1 m."""
    long, high = rng.uniform(9, 12), rng.uniform(2.9, 3.3)
    paint, stripe = _bus_paint(rng)
    pen = Pen(long, high, scale)
    pen.polygon(
        [
            (0, 0.35),
            (long, 0.35),
            (long, high - 0.1),
            (long - 0.15, high),
            (0.3, high),
            (0.05, high - 0.3),
        ],
        paint,
    )
    pen.box(0, 0.75, long, 1.1, stripe)
    pen.box(0.05, 1.4, long - 0.3, 2.55, np.multiply(_GLASS, 0.7))
    count = int(rng.integers(6, 9))
    pitch = (long - 0.5) / count
    for i in range(count):
        glass = np.multiply(_GLASS, rng.uniform(1.1, 2.0))
        pen.box(0.15 + i * pitch, 1.45, 0.05 + (i + 1) * pitch, 2.5, glass)
    for x in (0.12 * long, 0.52 * long):
        pen.box(x, 0.45, x + 1.1, 2.5, np.multiply(_GLASS, 1.3))
        pen.box(x + 0.52, 0.45, x + 0.58, 2.5, paint * 0.6)
    pen.box(0.1, 0.3, long - 0.1, 0.45, _DARK)
    for x in (0.3 * long, 0.76 * long):
        _wheel(pen, x, 0.48)
    return _either_way(rng, pen.sprite(rng, 0.03))


def bus_end(rng: np.random.Generator, scale: float, sun: float) -> Sprite:
    """Draw a city bus seen from in front or from behind, about 2.5 x 3.1 m."""
    wide, high = 2.5, rng.uniform(2.9, 3.3)
    paint, stripe = _bus_paint(rng)
    ahead = rng.random() < 0.6
    pen = Pen(wide, high, scale)
    for x in (0.15, wide - 0.5):
        pen.box(x, 0.0, x + 0.35, 0.5, _DARK)
    pen.polygon(
        [
            (0, 0.3),
            (wide, 0.3),
            (wide, high - 0.15),
            (wide - 0.12, high),
            (0.12, high),
            (0, high - 0.15),
        ],
        paint,
    )
    pen.box(0, 0.75, wide, 1.05, stripe)
    low = 1.15 if ahead else 1.7
    pen.box(0.12, low, wide - 0.12, 2.5, np.multiply(_GLASS, rng.uniform(0.9, 1.6)))
    if ahead:
        pen.box(wide / 2 - 0.02, low, wide / 2 + 0.02, 2.5, _DARK)
    pen.box(0.35, 2.6, wide - 0.35, 2.92, _DARK)
    pen.box(0.5, 2.68, wide - 0.7, 2.84, (1.0, 0.72, 0.15))
    for x in (0.1, wide - 0.45):
        pen.box(x, 0.5, x + 0.35, 0.7, (1.0, 0.97, 0.85) if ahead else (0.88, 0.06, 0.05))
    pen.box(0.05, 0.25, wide - 0.05, 0.42, _DARK)
    return pen.sprite(rng, 0.03)


def boat(rng: np.random.Generator, scale: float, sun: float) -> Sprite:
    """Draw a sailing boat, a motor boat or a fishing boat, 4 to 9 m, cut at the water line."""
    kind = rng.choice(['sail', 'motor', 'fishing'], p=[0.45, 0.3, 0.25])
    long = rng.uniform(5, 9) if kind != 'motor' else rng.uniform(5, 7.5)
    board = rng.uniform(0.7, 1.0)
    high = {'sail': rng.uniform(1.15, 1.4) * long, 'motor': 2.5, 'fishing': 3.2}[kind]
    hull = np.array([(0.93, 0.92, 0.9), (0.55, 0.30, 0.16), (0.75, 0.14, 0.12), (0.12, 0.2, 0.42)])[
        rng.integers(4)
    ]
    pen = Pen(long, high, scale)
    if kind == 'sail':
        mast = 0.45 * long
        pen.limb([(mast, board), (mast, high)], 0.14, (0.55, 0.42, 0.3))
        cloth = np.array([(0.97, 0.96, 0.92), (0.95, 0.9, 0.78), (0.9, 0.35, 0.25)])[
            rng.choice(3, p=[0.5, 0.3, 0.2])
        ]
        pen.polygon(
            [(mast + 0.1, board + 0.35), (mast + 0.1, high - 0.1), (0.93 * long, board + 0.45)],
            cloth,
        )
        pen.polygon(
            [(mast - 0.15, board + 0.3), (mast - 0.1, 0.92 * high), (0.08 * long, board + 0.2)],
            cloth * 0.88,
        )
    elif kind == 'motor':
        cabin = [
            (0.3 * long, board),
            (0.38 * long, high),
            (0.68 * long, high),
            (0.72 * long, board),
        ]
        pen.polygon(cabin, (0.95, 0.95, 0.95))
        pen.polygon(
            [
                (0.34 * long, board + 0.5),
                (0.38 * long, high - 0.25),
                (0.66 * long, high - 0.25),
                (0.68 * long, board + 0.5),
            ],
            np.multiply(_GLASS, 1.2),
        )
    else:
        pen.box(0.58 * long, board, 0.84 * long, 2.3, (0.92, 0.9, 0.84))
        pen.box(0.62 * long, 1.6, 0.78 * long, 2.1, _GLASS)
        pen.box(0.56 * long, 2.3, 0.86 * long, 2.42, hull * 0.8)
        pen.limb([(0.36 * long, board), (0.36 * long, high)], 0.12, (0.4, 0.3, 0.22))
        pen.limb([(0.36 * long, high), (0.06 * long, board + 0.1)], 0.05, (0.3, 0.26, 0.22))
    pen.polygon(
        [
            (0, board + 0.15),
            (0.14 * long, 0),
            (0.9 * long, 0),
            (long, board),
            (0.6 * long, board - 0.08),
        ],
        hull,
    )
    pen.polygon(
        [(0.09 * long, 0.26), (0.14 * long, 0), (0.9 * long, 0), (0.94 * long, 0.26)], hull * 0.45
    )
    return _either_way(rng, pen.sprite(rng, 0.04, 0.2))


def lamp(rng: np.random.Generator, scale: float, sun: float) -> Sprite:
    """Draw a street lamp of about 6 m. It has no class: data sets have unlabelled pixels too."""
    high = rng.uniform(5, 6.5)
    pen = Pen(1.8, high, scale)
    steel = np.array([0.22, 0.23, 0.25]) * rng.uniform(0.6, 1.6)
    pen.box(0.84, 0, 0.96, high - 0.3, steel)
    pen.limb([(0.9, high - 0.3), (1.2, high - 0.12), (1.7, high - 0.12)], 0.1, steel)
    pen.ellipse(1.55, high - 0.2, 0.24, 0.1, (0.95, 0.92, 0.75))
    return _either_way(rng, pen.sprite(rng))


def _wheel(pen: Pen, x: float, radius: float) -> None:
    pen.ellipse(x, radius, radius, radius, _DARK)
    pen.ellipse(x, radius, 0.55 * radius, 0.55 * radius, (0.62, 0.63, 0.65))
    pen.ellipse(x, radius, 0.2 * radius, 0.2 * radius, np.multiply(_DARK, 3))


def _bus_paint(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    paints = np.array(
        [(0.90, 0.62, 0.08), (0.80, 0.12, 0.12), (0.10, 0.48, 0.30), (0.14, 0.36, 0.70)]
    )
    paint = paints[rng.integers(len(paints))] * rng.uniform(0.9, 1.05)
    return paint, np.array([(0.95, 0.95, 0.92), (0.15, 0.15, 0.2)])[rng.integers(2)]


def _either_way(rng: np.random.Generator, sprite: Sprite) -> Sprite:
    """Turn a sprite to face left or right at random."""
    return (
        sprite
        if rng.random() < 0.5
        else Sprite(np.ascontiguousarray(sprite.rgba[:, ::-1]), sprite.foot)
    )
