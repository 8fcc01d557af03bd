"""The setting of a scene: light, camera, sky, mountains, and the ground with its water."""

from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import Canvas, Sprite, blend, grey, noise_tile, sample_noise, tint
from .classes import Label

_SKIES = {  # zenith, horizon, colour of the light, strength of shadows, share of lit windows
    'noon': ((0.22, 0.46, 0.83), (0.72, 0.85, 0.95), (1.00, 1.00, 0.97), 0.50, 0.02),
    'morning': ((0.42, 0.61, 0.86), (0.97, 0.87, 0.74), (1.04, 0.97, 0.87), 0.45, 0.10),
    'sunset': ((0.30, 0.31, 0.56), (0.99, 0.63, 0.38), (1.00, 0.82, 0.66), 0.45, 0.30),
    'overcast': ((0.60, 0.64, 0.69), (0.82, 0.84, 0.86), (0.90, 0.93, 0.97), 0.15, 0.15),
    'dusk': ((0.18, 0.22, 0.44), (0.70, 0.54, 0.60), (0.72, 0.74, 0.92), 0.15, 0.50),
}
_SKY_ODDS = (0.36, 0.2, 0.16, 0.18, 0.1)


@dataclass(frozen=True)
class Light:
    """The weather and the hour. Colours are RGB in 0..1; ``sun`` is -1 (left) to 1 (right)."""

    zenith: np.ndarray
    horizon: np.ndarray
    colour: np.ndarray
    shadow: float
    lit: float
    sun: float
    lean: tuple[float, float]  # where shadows fall: ``Canvas.shadow``
    clouds: float  # cover, 0..1
    haze: float  # metres over which the air takes two thirds of an object's own colour

    @classmethod
    def draw(cls, rng: np.random.Generator) -> 'Light':
        zenith, horizon, colour, shadow, lit = _SKIES[rng.choice(list(_SKIES), p=_SKY_ODDS)]
        jitter = rng.normal(1, 0.03, 3)
        sun = rng.uniform(-1, 1)
        return cls(
            zenith=np.float32(zenith * jitter * rng.uniform(0.9, 1.1)),
            horizon=np.float32(horizon * jitter),
            colour=np.float32(colour * jitter),
            shadow=shadow * rng.uniform(0.8, 1.1),
            lit=lit,
            sun=sun,
            lean=(-sun * rng.uniform(0.5, 1.1), rng.choice([-1, 1]) * rng.uniform(0.12, 0.3)),
            clouds=rng.uniform(0.0, 0.8),
            haze=rng.uniform(250, 900),
        )

    def through_air(self, colour: np.ndarray, distance) -> np.ndarray:
        """Return ``colour`` (h, w, 3) as seen in this light through ``distance`` metres of air.

        Distant things fade to the horizon's colour: the result is that colour plus the remaining
        difference from it.

        Args:
            distance: a number, or (h, 1) by row.
        """
        clear = np.exp(-np.asarray(distance, np.float32) / self.haze)
        apart = np.column_stack([np.diag(self.colour), -self.horizon]).astype(np.float32)
        back = np.column_stack([np.eye(3), self.horizon]).astype(np.float32)
        left = cv2.transform(colour, apart).reshape(len(colour), -1) * clear
        return cv2.transform(left.reshape(colour.shape), back)

    def filter(self, sprite: Sprite, distance: float) -> Sprite:
        """Do as ``through_air`` for a sprite; the air's share is premultiplied by the opacity."""
        clear = np.exp(-distance / self.haze)
        matrix = np.diag([*(self.colour * clear), 1.0])
        matrix[:3, 3] = self.horizon * (1 - clear)
        return Sprite(cv2.transform(sprite.rgba, matrix.astype(np.float32)), sprite.foot)


@dataclass(frozen=True)
class Camera:
    """A level pinhole camera over flat ground; it looks along z, with x to the right and y up."""

    focal: float  # pixels
    height: float  # metres above the ground
    centre: float  # the vanishing point's column
    horizon: float  # and row

    def scale(self, z):
        """Return pixels per metre at distance ``z``."""
        return self.focal / z

    def project(self, x, y, z):
        return self.centre + self.focal * x / z, self.horizon + self.focal * (self.height - y) / z

    def distance(self, row):
        """Return the distance of the ground seen in ``row``, which is below the horizon."""
        return self.focal * self.height / (row - self.horizon)


@dataclass(frozen=True)
class Road:
    """A road away from the viewer (``centre``, ``curve`` in x) or ``across`` the view (in z)."""

    across: bool
    centre: float
    width: float
    walk: float  # width of each sidewalk, 0 for none
    curve: float = 0.0  # metres of sideways drift at 100 m

    def offset(self, x, z):
        """Return the signed distance from the centre line in metres."""
        return z - self.centre if self.across else x - self.middle(z)

    def middle(self, z):
        return self.centre + self.curve * (z / 100) ** 2


@dataclass(frozen=True)
class Water:
    """A lake behind a shore at ``near`` metres, or a river with a bank at x = side * near.

    Either ends at ``far`` metres.
    """

    near: float
    far: float
    side: int = 0


def paint_sky(canvas: Canvas, camera: Camera, light: Light, rng: np.random.Generator) -> None:
    rows = min(canvas.height, int(np.ceil(camera.horizon)) + 1)
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    x = (np.arange(canvas.width, dtype=np.float32) - camera.centre)[None, :] / canvas.width
    colour = light.zenith + (light.horizon - light.zenith) * (y**1.4)[..., None]
    colour = np.repeat(colour, canvas.width, axis=1)

    sun_y = rng.uniform(0.15, 0.8)
    far = ((x - light.sun * 0.6) * 1.5) ** 2 + (y - sun_y) ** 2
    glow = np.exp(-far * 6) * 0.5 + np.exp(-far * 500)
    colour += tint(glow * light.shadow, [1.0, 0.95, 0.8])

    # clouds lie on a plane overhead: they shrink and flatten towards the horizon
    u0, v0 = rng.uniform(0, 256, 2)
    depth = 1 / (1.12 - y)
    u, v = u0 + x * 60 * depth, v0 + depth * 24
    tile = noise_tile(1.6, 1)
    density = sample_noise(tile, u, v) + 0.35 * sample_noise(noise_tile(1.0, 1), u * 3, v * 3)
    cover = np.clip((density + 2.0 * light.clouds - 1.3) * 0.9, 0, 1) * (1 - 0.6 * y**3)
    thick = np.clip(density * 0.5 + 2.0 * light.clouds - 1.3, 0, 1.2)
    lit = np.float32([1.0, 0.99, 0.97]) * light.colour * 0.98
    shade = light.zenith * 0.4 + light.horizon * 0.4
    cloud = blend(np.broadcast_to(lit, colour.shape).copy(), shade, thick * 0.55)
    colour = blend(colour, cloud, cover * 0.85)
    canvas.fill(np.ones(colour.shape[:2], bool), colour, Label.SKY)


def paint_mountains(canvas: Canvas, camera: Camera, light: Light, rng: np.random.Generator) -> None:
    """Paint one to three ranges behind each other, the far ones higher and paler."""
    rows = min(canvas.height, int(np.ceil(camera.horizon)) + 1)
    count = int(rng.integers(1, 4))
    x = np.arange(canvas.width, dtype=np.float32) / canvas.width
    y = np.arange(rows, dtype=np.float32)[:, None]
    rock = np.array([(0.46, 0.40, 0.48), (0.52, 0.38, 0.30), (0.32, 0.36, 0.46)])[rng.integers(3)]
    snowy, snow_line = rng.random() < 0.5, rng.uniform(0.35, 0.7)
    for i in range(count):
        back = (count - i) / count  # 1 the farthest
        tallest = camera.horizon * rng.uniform(0.4, 0.95) * (0.45 + 0.55 * back)
        u0, v0 = rng.uniform(0, 256, 2)
        ridge = sample_noise(noise_tile(1.9, 2), u0 + x * rng.uniform(60, 110), np.full_like(x, v0))
        crags = sample_noise(noise_tile(1.0, 2), u0 + x * 230, np.full_like(x, v0))
        profile = tallest * (0.58 + 0.48 * np.tanh(0.7 * ridge) + 0.03 * crags)
        top = camera.horizon - profile[None, :]
        mask = y >= top
        # relief: slopes facing the sun are lit; a height field sampled twice gives the slopes
        u, v = u0 + x[None, :] * 260 + 0 * y, v0 + y * (130 / canvas.width)
        tile, step = noise_tile(1.4, 2), 1.5 if light.sun > 0 else -1.5
        relief = sample_noise(tile, u + step, v - 1) - sample_noise(tile, u, v)
        tone = np.clip(0.82 + 0.85 * relief, 0.35, 1.5)
        colour = tint(tone, rock * light.colour)
        if snowy and back > 0.5:  # white above a ragged line, less of it in the shade
            altitude = (camera.horizon - y) / tallest + 0.35 * relief + 0.05 * crags[None, :]
            white = tint(np.clip(0.35 + 0.75 * tone, 0.5, 1.1), [0.93, 0.95, 1.0] * light.colour)
            colour = blend(colour, white, np.clip((altitude - snow_line) * 12, 0, 1))
        # more air towards the foot
        air = (0.06 + 0.34 * back) * np.clip(0.6 + 0.6 * (y - top) / np.maximum(profile, 1), 0, 1.4)
        colour = blend(colour, light.horizon * np.float32([0.86, 0.93, 1.02]), np.minimum(air, 0.8))
        canvas.fill(mask, colour, Label.MOUNTAIN)


def paint_treeline(canvas: Canvas, camera: Camera, light: Light, rng: np.random.Generator) -> None:
    """Paint a wood along the horizon."""
    rows = min(canvas.height, int(np.ceil(camera.horizon)) + 1)
    x = np.arange(canvas.width, dtype=np.float32) * (384 / canvas.width)
    u0, v0 = rng.uniform(0, 256, 2)
    patches = sample_noise(noise_tile(1.9, 1), u0 + x * 0.4, np.full_like(x, v0))
    crowns = sample_noise(noise_tile(1.0, 1), u0 + x * 1.2, np.full_like(x, v0 + 50))
    tall = canvas.height * np.clip(0.03 + 0.022 * patches + 0.008 * crowns, 0, 0.12)
    y = np.arange(rows, dtype=np.float32)[:, None]
    leaves = sample_noise(noise_tile(1.0), u0 + x[None, :] * 1.5, v0 + y * 1.5)
    colour = tint(0.85 + 0.28 * leaves, [0.13, 0.27, 0.11])
    canvas.fill(y >= camera.horizon - tall[None, :], light.through_air(colour, 130), Label.TREE)


def paint_ground(
    canvas: Canvas,
    camera: Camera,
    light: Light,
    road: Road | None,
    water: Water | None,
    paved: float,
    rng: np.random.Generator,
) -> None:
    """Paint grass, water, sidewalk and road below the horizon.

    Args:
        paved: metres of pavement beside the sidewalks, in towns.
    """
    top = min(canvas.height - 1, int(np.floor(camera.horizon)) + 1)
    rows = np.arange(top, canvas.height, dtype=np.float32)[:, None] + 0.5
    depth = camera.distance(np.maximum(rows, camera.horizon + 0.3)).astype(np.float32)
    x = np.arange(canvas.width, dtype=np.float32)[None, :] + np.float32(0.5 - camera.centre)
    x = x / np.float32(camera.focal) * depth
    z = np.broadcast_to(depth, x.shape)
    u0, v0 = rng.uniform(0, 256, 2)

    def texture(roughness: float, per_metre: float) -> np.ndarray:
        """Sample noise on the ground, faded where a pixel row spans more than its grain."""
        rows_per_metre = camera.focal * camera.height / depth**2
        fade = np.clip(2 * rows_per_metre / per_metre, 0, 1)
        return fade * sample_noise(noise_tile(roughness), u0 + x * per_metre, v0 + z * per_metre)

    everywhere = np.ones(x.shape, bool)
    patches, grain, fine = texture(1.6, 0.8), texture(0.7, 8.0), texture(0.5, 20.0)
    blade = np.array(
        [(0.38, 0.54, 0.17), (0.44, 0.60, 0.20), (0.54, 0.56, 0.25), (0.32, 0.54, 0.20)]
    )
    tone = 1 + 0.10 * patches + 0.12 * grain + 0.06 * fine
    colour = tint(tone, blade[rng.integers(len(blade))])
    canvas.fill(everywhere, light.through_air(colour, 0.4 * depth), Label.GRASS, top)

    if water is not None:
        wiggle = sample_noise(
            noise_tile(1.9, 3), u0 + (z if water.side else x) * 1.2, np.float32(v0)
        )
        if water.side:
            wet = (water.side * x > water.near + 1.5 * wiggle) & (z < water.far)
        else:
            wet = (z > water.near * (1 + 0.08 * wiggle)) & (z < water.far)
        _paint_water(canvas, camera, light, wet, x, z, top, rng)

    if road is None:
        return
    offset = road.offset(x, z)
    aside = np.abs(offset)
    along = x if road.across else z
    if road.walk:
        slab = np.array([(0.74, 0.70, 0.64), (0.70, 0.67, 0.66), (0.78, 0.69, 0.60)])[
            rng.integers(3)
        ]
        edge = np.minimum(np.mod(along, 1.2), np.mod(offset, 1.2)) < 0.07
        tone = 1 + 0.05 * grain + 0.04 * patches
        tone = tone - 0.2 * edge * np.clip(camera.scale(depth) / 14 - 0.4, 0, 1)
        tone = np.where(aside < road.width / 2 + 0.25, 1.15, tone)  # the kerb
        walk = aside < road.width / 2 + road.walk + paved
        if water is not None:
            walk &= canvas.labels[top:] != Label.WATER
        colour = light.through_air(tint(tone, slab), 0.5 * depth)
        canvas.fill(walk, colour, Label.SIDEWALK, top)
    asphalt = np.float32([0.30, 0.30, 0.32]) * rng.uniform(0.75, 1.15)
    wear = 0.06 * np.cos(
        offset / road.width * 4 * 2 * np.pi
    )  # wheels polish the tracks of two lanes
    tone = 1 + wear + 0.08 * fine + 0.06 * patches
    colour = tint(tone, asphalt)
    paint = np.float32([(0.83, 0.83, 0.79), (0.86, 0.70, 0.23)][int(rng.random() < 0.3)])
    dash = (aside < 0.12) & (np.mod(along, 6.0) < 3.0)
    line = (aside > road.width / 2 - 0.35) & (aside < road.width / 2 - 0.2)
    colour[dash | line] = paint
    if not road.across and rng.random() < 0.4:  # a pedestrian crossing
        start = camera.distance(canvas.height) * rng.uniform(1.3, 2.2)
        zebra = (z > start) & (z < start + 3) & (np.mod(offset, 1.1) < 0.55)
        colour[zebra] = 0.88
    on_road = aside < road.width / 2
    canvas.fill(on_road, light.through_air(colour, 0.5 * depth), Label.ROAD, top)


def _paint_water(
    canvas: Canvas,
    camera: Camera,
    light: Light,
    wet: np.ndarray,
    x: np.ndarray,
    z: np.ndarray,
    top: int,
    rng: np.random.Generator,
) -> None:
    """Paint water, which mirrors what is above the horizon, rippled, over its own colour."""
    deep = np.array(
        [(0.08, 0.30, 0.42), (0.10, 0.38, 0.42), (0.10, 0.26, 0.46), (0.16, 0.34, 0.34)]
    )
    deep = np.float32(deep[rng.integers(len(deep))]) * light.colour
    u0, v0 = rng.uniform(0, 256, 2)
    # log z makes ripples equally fine in every row; they are much wider than high
    v = np.log(z) * 110 * rng.uniform(0.8, 1.2)
    u = x / z * 110
    ripple = sample_noise(noise_tile(1.0, 4), u0 + u, v0 + v * 1.6)
    ripple += 0.6 * sample_noise(noise_tile(0.6, 4), u0 + u * 0.9, v0 + v * 3)
    row = np.arange(wet.shape[0], dtype=np.float32)[:, None]
    source = np.clip(top - 1 - row + ripple * (0.5 + 0.06 * row), 0, max(0, top - 1)).astype(
        np.intp
    )
    column = np.arange(canvas.width)[None, :] + np.zeros_like(source)
    mirrored = canvas.image[source, column]
    near = np.clip(row / max(1, wet.shape[0]), 0, 1)
    own = np.broadcast_to(0.38 + 0.37 * near, ripple.shape)
    colour = blend(mirrored, deep, own) + grey((0.045 + 0.04 * near) * ripple)
    canvas.fill(wet, np.maximum(colour, 0), Label.WATER, top)
