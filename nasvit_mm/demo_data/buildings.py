"""Buildings: blocks in perspective with textured facades, and houses seen from the front."""

from dataclasses import dataclass

import cv2
import numpy as np

from .backdrop import Camera, Light
from .canvas import Canvas, Sprite, grey, noise_patch, tint
from .classes import Label
from .sprites import Pen

_WALLS = np.array(
    [
        (0.72, 0.62, 0.50),
        (0.62, 0.34, 0.26),
        (0.80, 0.74, 0.66),
        (0.58, 0.56, 0.55),
        (0.78, 0.58, 0.42),
        (0.66, 0.46, 0.40),
        (0.82, 0.70, 0.46),
        (0.52, 0.42, 0.38),
    ]
)
_ROOFS = np.array([(0.50, 0.20, 0.14), (0.36, 0.22, 0.18), (0.30, 0.30, 0.34)])


@dataclass(frozen=True)
class Block:
    """A box on the ground, x from ``left`` to ``right``, z from ``near`` to ``far``, in metres."""

    left: float
    right: float
    near: float
    far: float
    high: float
    seed: int  # determines its looks

    def paint(self, canvas: Canvas, camera: Camera, light: Light) -> None:
        """Paint the front, and the side that faces the viewer, if there is one."""
        style = _Style(np.random.default_rng([self.seed]), light)
        if self.left > 0.3 or self.right < -0.3:
            x, facing = (self.left, -1) if self.left > 0 else (self.right, 1)
            corners = [(x, self.near), (x, self.far)][::facing]
            tone = 1 + 0.3 * light.sun * facing
            self._wall(canvas, camera, light, style, corners, self.far - self.near, tone)
        front = [(self.left, self.near), (self.right, self.near)]
        self._wall(canvas, camera, light, style, front, self.right - self.left, 0.95)

    def _wall(self, canvas, camera, light, style, corners, wide: float, tone: float) -> None:
        """Paint a wall between two ground points (x, z), left to right in the image."""
        ends = [camera.project(x, y, z) for x, z in corners for y in (0.0, self.high)]
        quad = np.float32([ends[1], ends[3], ends[2], ends[0]])  # clockwise from the upper left
        x0, y0 = np.floor(np.maximum(quad.min(0), 0)).astype(int)
        x1, y1 = np.ceil(np.minimum(quad.max(0) + 1, [canvas.width, canvas.height])).astype(int)
        if x1 <= x0 or y1 <= y0:
            return
        texture = style.wall(wide, self.high, min(camera.scale(self.near), 16.0))
        h, w = texture.shape[:2]
        outline = np.float32([(0, 0), (w, 0), (w, h), (0, h)]) - np.float32(0.5)
        quad -= np.float32([x0 + 0.5, y0 + 0.5])
        matrix = cv2.getPerspectiveTransform(outline, quad)
        size = (int(x1 - x0), int(y1 - y0))
        patch = cv2.warpPerspective(texture, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        alpha = np.zeros(patch.shape[:2], np.uint8)
        outline = np.round(quad * 16).astype(np.int32)
        cv2.fillConvexPoly(alpha, outline, 255, cv2.LINE_AA, shift=4)
        alpha = alpha.astype(np.float32) / 255
        colour = light.through_air(patch * np.float32(tone), self.near) * grey(alpha)
        canvas.paste(Sprite(np.dstack([colour, alpha]), (0, 0)), x0, y0, Label.BUILDING)

    def footprint(self) -> np.ndarray:
        """Return the four ground corners (x, z), (4, 2)."""
        return np.array(
            [
                (self.left, self.near),
                (self.right, self.near),
                (self.right, self.far),
                (self.left, self.far),
            ]
        )


class _Style:
    """One building's materials, shared by its walls."""

    def __init__(self, rng: np.random.Generator, light: Light):
        self.rng = rng
        self.lit = light.lit
        self.sky = np.float32(light.zenith * 0.5 + light.horizon * 0.3)
        self.glassy = rng.random() < 0.22
        self.colour = _WALLS[rng.integers(len(_WALLS))] * rng.uniform(0.85, 1.1)
        if self.glassy:
            self.colour = np.array([0.42, 0.47, 0.52]) * rng.uniform(0.8, 1.1)
        self.storey = rng.uniform(3.0, 3.8)
        self.bay = rng.uniform(2.2, 3.6)
        self.window = (rng.uniform(0.40, 0.6), rng.uniform(0.45, 0.62))
        if self.glassy:
            self.window = (0.86, 0.8)
        self.trim = self.colour * (1.25 if rng.random() < 0.6 else 0.7)
        self.shop = rng.random() < 0.5
        self.awning = np.array(
            [(0.7, 0.15, 0.15), (0.15, 0.4, 0.25), (0.2, 0.25, 0.5), (0.8, 0.65, 0.3)]
        )[rng.integers(4)]

    def wall(self, wide: float, high: float, scale: float) -> np.ndarray:
        """Return the facade's texture, (h, w, 3) float32, top first, ``scale`` pixels per metre."""
        rng = self.rng
        h, w = int(np.clip(high * scale, 4, 400)), int(np.clip(wide * scale, 4, 400))
        bays, storeys = max(1, round(wide / self.bay)), max(1, round(high / self.storey))
        across = (np.arange(w, dtype=np.float32) + 0.5) / w * bays
        up = (h - np.arange(h, dtype=np.float32) - 0.5) / h * (storeys + 0.25)  # a parapet on top
        column, level = across.astype(np.intp), np.minimum(up.astype(np.intp), storeys)
        fx, fy = across - column, up - level

        base = np.float32(self.colour)
        tone = 1 + 0.05 * noise_patch(rng, 0.7, h, w) + 0.06 * noise_patch(rng, 1.6, h, w, 0.5)
        tone *= np.where((fy < 0.06) & (level > 0), 0.82, 1.0)[:, None].astype(
            np.float32
        )  # a ledge at each floor
        wall = tint(tone, base)
        wall[level == storeys] = self.trim

        glass = np.empty((storeys + 1, bays, 3), np.float32)
        shade = rng.uniform(0.25, 0.75, glass.shape[:2] + (1,)).astype(np.float32)
        glass[:] = np.float32([0.10, 0.13, 0.17]) + self.sky * shade * 0.5
        lit = rng.random(glass.shape[:2]) < self.lit
        glass[lit] = np.float32([1.0, 0.82, 0.46]) * rng.uniform(0.8, 1.05)
        wx, wy = self.window
        floors = level < storeys
        if self.shop:
            floors &= level > 0
        frame = (_inside(fy, wy, 0.05) & floors)[:, None] & _inside(fx, wx, 0.05)[None, :]
        pane = (_inside(fy, wy, 0.0) & floors)[:, None] & _inside(fx, wx, 0.0)[None, :]
        if self.storey * scale / 3 > 4:  # a sash, if a window has enough pixels to show it
            pane &= ~(np.abs(fx - 0.5) < 0.02)[None, :]
        wall[frame] = self.trim
        rows, columns = np.nonzero(pane)
        wall[rows, columns] = glass[level[rows], column[columns]]
        if self.shop:
            ground = level == 0
            front = (ground & (fy < 0.7))[:, None] & _inside(fx, 0.84, 0.0)[None, :]
            rows, columns = np.nonzero(front)
            wall[rows, columns] = (np.float32([0.13, 0.13, 0.15]) + glass[0] * 0.35)[
                column[columns]
            ]
            stripe = np.where(np.mod(across * 4, 2) < 1, 1.0, 0.8)[:, None]
            wall[ground & (fy > 0.68) & (fy < 0.88)] = self.awning * stripe
        return wall


def _inside(position: np.ndarray, width: float, margin: float) -> np.ndarray:
    """Return where positions in a bay or storey (0..1) fall on a centred strip of this width."""
    return np.abs(position - 0.5) < width / 2 + margin


def house(rng: np.random.Generator, scale: float, sun: float) -> Sprite:
    """Draw a detached house from the front, about 9 x 7 m, with a pitched roof."""
    wide, wall, roof = rng.uniform(7, 11), rng.uniform(3.0, 5.6), rng.uniform(2.2, 3.6)
    pen = Pen(wide + 1, wall + roof + 0.6, scale)
    paint, tiles = (
        _WALLS[rng.integers(len(_WALLS))] * rng.uniform(0.95, 1.15),
        _ROOFS[rng.integers(len(_ROOFS))],
    )
    left, right, top = 0.5, wide + 0.5, wall + roof
    x = rng.uniform(0.6, 0.8) * wide
    pen.box(x, wall, x + 0.8, top + 0.6, paint * 0.6)
    pen.box(left, 0, right, wall, paint)
    if rng.random() < 0.5:  # the gable faces the viewer
        middle = wide / 2 + 0.5
        pen.polygon([(left, wall), (right, wall), (middle, top - 0.2)], paint * 0.95)
        pen.polygon(
            [(0, wall - 0.2), (0.5, wall - 0.3), (middle, top - 0.55), (middle, top)], tiles
        )
        pen.polygon(
            [(wide + 1, wall - 0.2), (wide + 0.5, wall - 0.3), (middle, top - 0.55), (middle, top)],
            tiles * 0.8,
        )
        pen.ellipse(middle, wall + 0.35 * roof, 0.5, 0.5, (0.15, 0.2, 0.26))
    else:
        pen.polygon([(0, wall - 0.1), (wide + 1, wall - 0.1), (wide - 0.6, top), (1.6, top)], tiles)
        for i in range(1, 5):
            pen.box(
                0.3 + 0.3 * i,
                wall + i * roof / 5,
                wide + 0.7 - 0.3 * i,
                wall + i * roof / 5 + 0.06,
                tiles * 0.75,
            )
    storeys, bays = max(1, round(wall / 2.8)), int(rng.integers(3, 5))
    door = int(rng.integers(bays))
    pitch = wide / bays
    for i in range(bays):
        for j in range(storeys):
            x0, y0 = left + (i + 0.28) * pitch, j * wall / storeys + 0.9
            if i == door and j == 0:
                pen.box(x0, 0, x0 + 1.1, 2.2, tiles * 0.7)
            else:
                pen.box(x0 - 0.1, y0 - 0.1, x0 + 0.46 * pitch, y0 + 1.45, (0.94, 0.93, 0.9))
                pen.box(x0, y0, x0 + 0.46 * pitch - 0.1, y0 + 1.35, (0.15, 0.2, 0.27))
                pen.box(x0, y0 + 0.66, x0 + 0.46 * pitch - 0.1, y0 + 0.74, (0.94, 0.93, 0.9))
    return pen.sprite(rng, 0.05, 0.12)
