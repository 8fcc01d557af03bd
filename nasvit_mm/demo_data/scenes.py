"""Seeded street, country and waterside scenes with exact labels: the source of all demo data.

A scene is laid out in metres before a pinhole camera and painted from far to near, so size,
occlusion and perspective are consistent, and every pixel's class and instance are known because
they were painted with it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from nasvit_mm.errors import check_number

from . import sprites
from .backdrop import (
    Camera,
    Light,
    Road,
    Water,
    paint_ground,
    paint_mountains,
    paint_sky,
    paint_treeline,
)
from .buildings import Block, house
from .canvas import Canvas, Sprite, grey, tint
from .classes import THINGS, VOID, Label

SMALLEST = 32
"""Least height and width of a scene, in pixels."""
LARGEST = 4096
"""Largest ones: some 2 GB of memory while a scene is painted."""

_FLAT = frozenset({Label.GRASS, Label.SIDEWALK})


@dataclass(frozen=True, eq=False)
class Instance:
    """One countable object.

    ``box`` is (left, top, right, bottom) of its visible pixels, right and bottom exclusive.
    """

    label: int
    mask: np.ndarray  # visible pixels, (H, W) bool
    box: tuple[int, int, int, int]
    area: int  # visible pixels
    hidden: float  # share of its pixels inside the image that nearer objects cover


@dataclass(frozen=True, eq=False)
class Scene:
    """An image and everything known about it; a data set layout is a way of writing this down."""

    image: np.ndarray  # RGB, (H, W, 3) uint8
    labels: np.ndarray  # index into CLASSES or VOID, (H, W) uint8
    instance_map: np.ndarray  # 0: no instance, i: instances[i - 1], (H, W) uint16
    instances: tuple[Instance, ...]


def render_scene(seed: int, height: int = 192, width: int = 288) -> Scene:
    """Draw the scene of a seed.

    Args:
        seed: selects the scene, an integer >= 0. The same arguments give the same bits.
        height, width: size in pixels, at least 32.

    Raises:
        ValueError: an argument is not an integer or out of range.
    """
    check_scene_arguments(seed, height, width)
    rng = np.random.default_rng([int(seed)])
    canvas = Canvas(int(height), int(width))
    kind = rng.choice(['street', 'country', 'shore'], p=[0.45, 0.25, 0.30])
    _Composer(canvas, rng, str(kind)).compose()
    return _finish(canvas, rng)


def check_scene_arguments(seed: int, height: int, width: int) -> None:
    """Raise the UsageError of ``render_scene``, without drawing."""
    check_number('seed', seed, low=0, whole=True)
    check_number('height', height, low=SMALLEST, high=LARGEST, whole=True)
    check_number('width', width, low=SMALLEST, high=LARGEST, whole=True)


@dataclass(frozen=True)
class _Placed:
    """An object to paint: where it stands (metres), what it is, and how to draw it at a scale."""

    x: float
    z: float
    label: int
    draw: Callable[[np.random.Generator, float, float], Sprite]
    seed: int
    sink: float = 0.0  # metres under the surface


class _Composer:
    """Decides what stands where in one scene, then paints it."""

    def __init__(self, canvas: Canvas, rng: np.random.Generator, kind: str):
        self.canvas, self.rng, self.kind = canvas, rng, kind
        height, width = canvas.height, canvas.width
        self.light = Light.draw(rng)
        self.camera = Camera(
            focal=rng.uniform(0.8, 1.1) * max(width, 0.8 * height),
            height=rng.uniform(2.4, 4.5) if kind == 'street' else rng.uniform(3.0, 6.0),
            centre=width * rng.uniform(0.35, 0.65),
            horizon=height * rng.uniform(0.36, 0.52),
        )
        self.closest = self.camera.distance(height)  # metres, at the image's lower edge
        self.road, self.water, self.paved = self._lay_out()
        self.taken: list[
            tuple[float, float, float, float]
        ] = []  # x, z and half sizes of everything placed so far
        self.placed: list[_Placed] = []
        self.blocks: list[Block] = []

    def _lay_out(self) -> tuple[Road | None, Water | None, float]:
        rng, near = self.rng, self.closest
        side = int(rng.choice([-1, 1]))
        if self.kind == 'street':
            road = Road(
                False,
                rng.uniform(-4, 4),
                rng.uniform(6, 9),
                rng.uniform(2.5, 4.5),
                rng.uniform(-25, 25),
            )
            if rng.random() < 0.35:
                road = Road(
                    True, near * rng.uniform(1.4, 2.0) + 3, rng.uniform(6, 8), rng.uniform(2.5, 4.0)
                )
            return road, None, float(rng.choice([0.0, 2.0]))
        if self.kind == 'country':
            across = rng.random() < 0.5
            road = Road(
                across, near * rng.uniform(1.5, 2.4) + 3, rng.uniform(5, 7), rng.choice([0.0, 1.5])
            )
            if not across:
                road = Road(
                    False,
                    rng.uniform(-5, 5),
                    rng.uniform(5, 7),
                    rng.choice([0.0, 1.5]),
                    rng.uniform(-90, 90),
                )
            lake = near * rng.uniform(3.5, 5.0) + 12
            return road, Water(lake, lake * 3) if rng.random() < 0.3 else None, 0.0
        if rng.random() < 0.35:  # a river beside the road
            road = Road(False, -side * rng.uniform(2, 5), rng.uniform(5.5, 7), rng.uniform(2, 3.5))
            return road, Water(rng.uniform(2.5, 5.0) + road.walk, 400, side), 0.0
        if rng.random() < 0.6:  # a promenade and a road on the near shore
            road = Road(
                True, near + rng.uniform(4.5, 6.0), rng.uniform(5, 6), rng.uniform(2.0, 3.0)
            )
            return (
                road,
                Water(road.centre + road.width / 2 + road.walk + rng.uniform(0.5, 3), np.inf),
                0.0,
            )
        return (
            None,
            Water(near * rng.uniform(1.3, 1.9), np.inf if rng.random() < 0.7 else near * 14),
            0.0,
        )

    def compose(self) -> None:
        canvas, camera, light, rng = self.canvas, self.camera, self.light, self.rng
        paint_sky(canvas, camera, light, rng)
        if rng.random() < {'street': 0.5, 'country': 0.85, 'shore': 0.75}[self.kind]:
            paint_mountains(canvas, camera, light, rng)
        if rng.random() < {'street': 0.5, 'country': 0.6, 'shore': 0.35}[self.kind]:
            paint_treeline(canvas, camera, light, rng)
        paint_ground(canvas, camera, light, self.road, self.water, self.paved, rng)
        self.ground = canvas.labels.copy()
        self._put_buildings()
        self._put_traffic()
        self._put_people_and_plants()
        self._paint()

    # what stands where

    def _put_buildings(self) -> None:
        rng, road = self.rng, self.road
        if self.kind == 'street' and not road.across:
            for side in (-1, 1):
                if rng.random() < 0.12:
                    continue
                setback = road.width / 2 + road.walk + self.paved + rng.uniform(0.5, 4)
                z = self.closest * rng.uniform(0.7, 1.6)
                while z < 110:
                    deep, wide, high = rng.uniform(7, 16), rng.uniform(8, 16), rng.uniform(5, 19)
                    edges = road.middle(z) + side * setback, road.middle(z + deep) + side * setback
                    inner = (
                        max(edges) if side > 0 else min(edges)
                    )  # a curve must not run into the wall
                    if rng.random() < 0.85:
                        self._block(*sorted((inner, inner + side * wide)), z, z + deep, high)
                    z += deep + rng.choice([0.0, rng.uniform(2, 9)])
        elif self.kind == 'street':
            z = road.centre + road.width / 2 + road.walk + self.paved + rng.uniform(0.5, 5)
            reach = z / self.camera.focal * self.canvas.width
            x = -reach
            while x < reach:
                wide = rng.uniform(7, 18)
                if rng.random() < 0.85:
                    setback = rng.uniform(0, 3)
                    self._block(x, x + wide, z + setback, z + setback + 10, rng.uniform(5, 18))
                x += wide + rng.choice([0.0, rng.uniform(1, 6)])
        elif rng.random() < (
            0.55 if self.kind == 'shore' else 0.3
        ):  # a far town, or one on the bank
            z0 = self.closest * rng.uniform(3, 6) + 25
            for _ in range(int(rng.integers(2, 8))):
                z = z0 * rng.uniform(1, 1.6)
                x = rng.uniform(-0.6, 0.6) * z / self.camera.focal * self.canvas.width
                wide, high = rng.uniform(8, 18), rng.uniform(8, 24)
                if self._free(x, z + 5, wide / 2, 5, _FLAT):
                    self._block(x - wide / 2, x + wide / 2, z, z + 10, high)
        if self.kind != 'street':
            for x, z in self._spots(
                int(rng.integers(0, 4)), _FLAT, max(14.0, 1.8 * self.closest), 80
            ):
                if self._free(x, z, 5.5, 3, _FLAT):
                    self._put(x, z, Label.BUILDING, house, 5.5, 3)

    def _block(self, left: float, right: float, near: float, far: float, high: float) -> None:
        self.blocks.append(Block(left, right, near, far, high, int(self.rng.integers(2**31))))
        self.taken.append(
            ((left + right) / 2, (near + far) / 2, (right - left) / 2, (far - near) / 2)
        )

    def _put_traffic(self) -> None:
        rng, road, camera = self.rng, self.road, self.camera
        if road is not None:
            bus_at = (
                int(rng.integers(0, 3))
                if rng.random() < (0.75 if self.kind == 'street' else 0.4)
                else -1
            )
            for i in range(int(rng.integers(2, 8))):
                bus = i == bus_at
                lane = rng.choice([-1, 1]) * road.width / 4
                if road.across:
                    z = road.centre + lane
                    x = rng.uniform(-0.55, 0.55) * z / camera.focal * self.canvas.width
                    draw, half = (
                        (sprites.bus_side, (5.5, 0.9)) if bus else (sprites.car_side, (2.6, 0.8))
                    )
                else:
                    z = self.closest * rng.uniform(1.15, 1.6) + rng.exponential(14 if bus else 22)
                    x = road.middle(z) + lane + rng.uniform(-0.3, 0.3)
                    draw, half = (
                        (sprites.bus_end, (1.3, 6.0)) if bus else (sprites.car_end, (1.0, 2.8))
                    )
                if camera.scale(z) * 1.5 > 0.03 * self.canvas.height and self._free(
                    x, z, *half, {Label.ROAD}
                ):
                    self._put(x, z, Label.BUS if bus else Label.CAR, draw, *half)
        if self.water is not None:
            for x, z in self._spots(int(rng.integers(3, 9)), {Label.WATER}, self.closest * 1.2, 90):
                if self._free(x, z, 3.5, 1.5, {Label.WATER}):
                    self._put(x, z, Label.BOAT, sprites.boat, 3.5, 1.5, sink=0.15)

    def _put_people_and_plants(self) -> None:
        rng, road = self.rng, self.road
        nearest = self.closest * 1.05
        walks = (
            {Label.SIDEWALK, Label.GRASS} if self.kind != 'street' else {Label.SIDEWALK, Label.ROAD}
        )
        for x, z in self._spots(int(rng.integers(3, 11)), walks, nearest, 45):
            for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):  # alone or in company
                if self._free(x, z, 0.3, 0.25, walks):
                    self._put(x, z, Label.PERSON, sprites.person, 0.3, 0.25)
                x, z = x + rng.uniform(0.4, 0.9), z + rng.uniform(-0.4, 0.4)
        count = int(rng.integers(2, 8)) if self.kind == 'street' else int(rng.integers(4, 14))
        for x, z in self._spots(count, _FLAT, nearest * 1.3, 90):
            if self._free(x, z, 1.2, 1.2, _FLAT):
                self._put(x, z, Label.TREE, sprites.tree, 1.2, 1.2)
        if (
            road is not None and road.walk and rng.random() < 0.6
        ):  # lamps, and often trees, line the road
            step, planted = rng.uniform(11, 18), rng.random() < 0.6
            for side in (-1, 1):
                aside = side * (road.width / 2 + 0.7)
                for i in range(7):
                    at = nearest * 1.1 + i * step
                    x, z = (
                        (at - 3.5 * step, road.centre + aside)
                        if road.across
                        else (road.middle(at) + aside, at)
                    )
                    if self._free(x, z, 0.3, 0.3, {Label.SIDEWALK}):
                        self._put(x, z, VOID, sprites.lamp, 0.3, 0.3)
                    if planted:
                        at += step / 2
                        x, z = (
                            (x + step / 2, z)
                            if road.across
                            else (road.middle(at) + aside * 1.3, at)
                        )
                        if self._free(x, z, 0.5, 0.5, {Label.SIDEWALK, Label.GRASS}):
                            self._put(x, z, Label.TREE, sprites.tree, 0.5, 0.5)

    def _spots(self, count: int, where, near: float, far: float) -> Iterator[tuple[float, float]]:
        """Yield up to ``count`` random ground points (x, z) of some classes inside the image."""
        for _ in range(count):
            for _ in range(12):
                z = np.exp(self.rng.uniform(np.log(near), np.log(max(far, near * 1.5))))
                x = self.rng.uniform(-0.5, 0.5) * self.canvas.width
                x = (x + self.canvas.width / 2 - self.camera.centre) / self.camera.scale(z)
                if self._ground_at(x, z) in where:
                    yield float(x), float(z)
                    break

    def _ground_at(self, x: float, z: float) -> int:
        """Return the class of the ground at a point; VOID outside the image."""
        column, row = self.camera.project(x, 0.0, z)
        column, row = int(np.floor(column)), int(np.floor(row))
        if 0 <= column < self.canvas.width and self.camera.horizon < row < self.canvas.height:
            return int(self.ground[row, column])
        return VOID

    def _free(self, x: float, z: float, half_x: float, half_z: float, where) -> bool:
        """Return whether a place is empty and its ground, where seen, is of the given classes."""
        if z - half_z * 0.5 < self.closest * 0.6:
            return False
        if any(
            self._ground_at(x + side * half_x, z) not in {*where, VOID} for side in (-0.6, 0, 0.6)
        ):
            return False
        return not any(
            abs(x - x1) < half_x + a and abs(z - z1) < half_z + b for x1, z1, a, b in self.taken
        )

    def _put(
        self, x: float, z: float, label: int, draw, half_x: float, half_z: float, sink: float = 0.0
    ) -> None:
        self.taken.append((x, z, half_x, half_z))
        self.placed.append(_Placed(x, z, label, draw, int(self.rng.integers(2**31)), sink))

    # painting

    def _paint(self) -> None:
        canvas, camera, light = self.canvas, self.camera, self.light
        canvas.darken(self._block_shadows(), light.shadow)
        # a block counts as far as its far end, so that what stands beside it is painted after its
        # side wall (the street is convex)
        queue: list[tuple[float, Block | _Placed]] = [(block.far, block) for block in self.blocks]
        queue += [(item.z, item) for item in self.placed]
        for _, item in sorted(queue, key=lambda entry: -entry[0]):
            if isinstance(item, Block):
                item.paint(canvas, camera, light)
                continue
            rng = np.random.default_rng([item.seed])
            x, y = camera.project(item.x, -item.sink, item.z)
            if abs(x - canvas.width / 2) > canvas.width / 2 + 6 * camera.scale(item.z):
                continue  # not even the widest tree would reach into the image
            sprite = light.filter(item.draw(rng, camera.scale(item.z), light.sun), item.z)
            if item.label == Label.BOAT:
                canvas.mirror(sprite, x, y, 0.45)
            else:
                canvas.shadow(sprite, x, y, light.lean, light.shadow)
            canvas.paste(sprite, x, y, item.label, thing=item.label in THINGS)

    def _block_shadows(self) -> np.ndarray:
        """Return where blocks shade the ground, (H, W) float32 0..1."""
        mask = np.zeros(self.ground.shape, np.uint8)
        across, ahead = self.light.lean[0], -self.light.lean[1]
        for block in self.blocks:
            foot = block.footprint()
            points = np.concatenate([foot, foot + np.array([across, ahead * 2]) * block.high * 0.6])
            points[:, 1] = np.maximum(points[:, 1], 0.5 * self.closest)
            columns, rows = self.camera.project(points[:, 0], 0.0, points[:, 1])
            outline = np.clip(np.stack([columns, rows], 1), -4000, 4000)
            hull = cv2.convexHull(outline.astype(np.float32))
            cv2.fillConvexPoly(
                mask, np.round(hull * 16).astype(np.int32), 255, cv2.LINE_AA, shift=4
            )
        return cv2.GaussianBlur(mask, (0, 0), 0.8).astype(np.float32) / 255


def _finish(canvas: Canvas, rng: np.random.Generator) -> Scene:
    """Apply the camera (softness, exposure, cast, vignette, noise) and list the instances."""
    height, width = canvas.labels.shape
    image = cv2.GaussianBlur(canvas.image, (0, 0), rng.uniform(0.35, 0.6))
    gain = rng.uniform(0.85, 1.12) * np.exp(rng.normal(0, 0.03, 3))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    image = tint(image, gain) * grey(1 - rng.uniform(0, 0.14) * (x * x + y * y))
    grain = rng.standard_normal((height, width), dtype=np.float32)
    image += grey(grain * np.float32(rng.uniform(0.003, 0.018)))
    image = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    curve = (np.arange(256) / 255) ** rng.uniform(0.72, 0.95) * 255
    image = cv2.LUT(image, np.round(curve).astype(np.uint8))

    labels, instance_map, instances = canvas.labels, np.zeros_like(canvas.numbers), []
    visible = np.bincount(canvas.numbers.ravel(), minlength=len(canvas.things) + 1)
    sliver = max(6, height * width // 8000)
    for number, (label, full) in enumerate(canvas.things, 1):
        if not visible[number]:
            continue
        mask = canvas.numbers == number
        if visible[number] < min(sliver, full):  # nobody could tell what it is
            labels[mask] = VOID
            continue
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        area = int(visible[number])
        instances.append(Instance(label, mask, box, area, 1 - area / full))
        instance_map[mask] = len(instances)
    return Scene(image, labels, instance_map, tuple(instances))
