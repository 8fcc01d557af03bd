"""The demo data as single objects and surfaces in ImageNet's folders: root/{train,val}/<class>/.

Patches of the scenes that the other layouts show whole: what a classification supernet is trained
on before its subnets segment.
"""

from __future__ import annotations

import os

import cv2
import numpy as np

from .classes import CLASSES, THINGS
from .folder import MARKER, DemoFolder, Written
from .scenes import Scene

_SHARE = 0.6  # of a patch that its class covers at least, of a surface
_TRIES = 10
_README = """\
Synthetic demo data in ImageNet's folders. This is NOT ImageNet.

Every picture is a patch of a drawn scene; the folder it lies in names what covers most of it.
Figures measured on it say nothing about any public data set.  {marker} says how it was
written.
"""


def write_patches(
    root: str | os.PathLike,
    num_train: int = 240,
    num_val: int = 60,
    height: int = 192,
    width: int = 288,
    seed: int = 0,
    progress: bool = True,
    side: int = 64,
    per_class: int = 2,
) -> Written:
    """Cut patches of every class out of scenes and write them in ImageNet's layout.

    Args:
        root: the folder of ``train`` and ``val``.
        num_train, num_val: scenes, at least 1 each.
        height, width, seed: of the scenes, see :func:`nasvit_mm.demo_data.write_ade20k`, whose
            scenes of the same split these are.
        side: of a patch in pixels.
        per_class: patches of a class that one scene gives at most.

    Raises:
        ValueError: a number is out of range, or so few scenes show not all classes.
        FileExistsError: root exists and is not demo data in this layout.
    """
    patterns = ('train/*/*.jpg', 'val/*/*.jpg', 'README.txt')
    layout = f'patches of {side}, {per_class} a class'
    folder = DemoFolder(root, layout, patterns, num_train, num_val, height, width, seed)
    present = folder.present()
    if present is not None:
        return present
    folder.begin([f'{split}/{name}' for split in ('train', 'val') for name in CLASSES])
    for split, index, scene in folder.scenes(progress):
        rng = np.random.default_rng([seed, index])
        for label, name in enumerate(CLASSES):
            for i, patch in enumerate(_patches(scene, label, rng, per_class)):
                patch = cv2.resize(patch, (side, side), interpolation=cv2.INTER_AREA)
                folder.save(f'{split}/{name}/{index + 1:06d}_{i}.jpg', patch)
    for empty in (
        f'{s}/{n}'
        for s in ('train', 'val')
        for n in CLASSES
        if not any((folder.root / s / n).iterdir())
    ):
        raise ValueError(f'no picture for {empty} in {folder.counts}: more scenes are needed')
    (folder.root / 'README.txt').write_text(_README.format(marker=MARKER), encoding='utf-8')
    return folder.finish()


def _patches(scene: Scene, label: int, rng: np.random.Generator, number: int) -> list[np.ndarray]:
    boxes = _things(scene, label) if label in THINGS else _surfaces(scene, label, rng, number)
    return [scene.image[top : top + side, left : left + side] for left, top, side in boxes[:number]]


def _things(scene: Scene, label: int) -> list[tuple[int, int, int]]:
    """(left, top, side) around the largest objects of a class that are mostly visible."""
    found = sorted(
        (i for i in scene.instances if i.label == label and i.hidden < 0.4 and i.area >= 80),
        key=lambda i: -i.area,
    )
    out = []
    for thing in found:
        left, top, right, bottom = thing.box
        side = round(1.2 * max(right - left, bottom - top, 16))
        out.append(_inside(scene, (left + right) // 2, (top + bottom) // 2, side))
    return out


def _surfaces(
    scene: Scene, label: int, rng: np.random.Generator, number: int
) -> list[tuple[int, int, int]]:
    mask, out = scene.labels == label, []
    places = np.argwhere(mask)
    if not len(places):
        return out
    for _ in range(_TRIES):
        y, x = places[rng.integers(len(places))]
        left, top, side = _inside(scene, x, y, int(rng.integers(24, 65)))
        if mask[top : top + side, left : left + side].mean() >= _SHARE:
            out.append((left, top, side))
        if len(out) == number:
            break
    return out


def _inside(scene: Scene, x: int, y: int, side: int) -> tuple[int, int, int]:
    """A square of a centre, moved into the picture."""
    height, width = scene.labels.shape
    side = min(side, height, width)
    return (
        int(np.clip(x - side // 2, 0, width - side)),
        int(np.clip(y - side // 2, 0, height - side)),
        side,
    )
