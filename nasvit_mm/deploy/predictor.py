"""Predictions of an artefact in Python: numpy, Pillow and the runtime, no torch, no OpenMMLab."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from nasvit_mm.deploy.artefact import BOXES, CROP, LABEL_MAP, MULTIPLE, PAD, STRETCH, Artefact, Fit
from nasvit_mm.deploy.pasting import pasted
from nasvit_mm.deploy.pictures import draw_classes, draw_labels, draw_objects
from nasvit_mm.deploy.runtimes import RUNTIMES, Session, get_runtime
from nasvit_mm.errors import DataError, UsageError, first_line, printable


class Instances(NamedTuple):
    """Objects in an image with their masks, the surest first.

    Attributes:
        boxes, scores, labels: see :class:`Boxes`.
        masks: (M, H, W) bool, of the pixels of the image.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: np.ndarray


class Boxes(NamedTuple):
    """Objects in an image, the surest first.

    Attributes:
        boxes: (M, 4) float32, x1, y1, x2, y2 in pixels of the image.
        scores: (M,) float32.
        labels: (M,) int32.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def open_artefact(
    artefact: Artefact, threads: int | None = None, device: str = 'cpu', runtime: str | None = None
) -> Session:
    """Load the model file of an artefact into its runtime.

    Args:
        threads: of the CPU; None: all that this process may use.
        device: as the runtime names it.
        runtime: another that runs the same file, as ``'torch-compile'`` does ``'torch'``'s; None:
            the artefact's own.

    Raises:
        UsageError: the runtime is not installed, or cannot load the file.
    """
    kind = get_runtime(runtime or artefact.runtime)
    if kind.suffix != artefact.model_file.suffix:
        names = (name for name, k in RUNTIMES.items() if k.suffix == artefact.model_file.suffix)
        raise UsageError(
            f'runtime = {kind.name!r} does not run {artefact.model_file.name}; allowed: '
            f'{", ".join(names)}'
        )
    session = kind(artefact.model_file, threads, artefact.precision, device)
    session.names = list(artefact.outputs)
    return session


class Predictor:
    """``predictor(image)`` gives what the model of an artefact sees in it.

        predictor = Predictor('work_dirs/deployed')
        labels = predictor('street.jpg')           # (H, W), of a segmentor
        boxes, scores, labels = predictor('street.jpg')       # of a detector
        boxes, scores, labels, masks = predictor('street.jpg')  # of an instance segmentor
        predictor.draw('street.jpg').save('drawn.png')

    Args:
        folder: the artefact.
        threads: of the CPU; None: all that this process may use.
        device: as the runtime names it.
        runtime: another that runs the same file: ``'torch-compile'`` of a ``'torch'`` artefact.

    Attributes:
        artefact: what its ``deploy.json`` says.
        classes: names by label, as a terminal may show them.

    Raises:
        UsageError: no artefact, or its runtime is missing.
    """

    def __init__(
        self,
        folder: str | Path,
        threads: int | None = None,
        device: str = 'cpu',
        runtime: str | None = None,
    ) -> None:
        self.artefact = Artefact.load(folder)
        self.session = open_artefact(self.artefact, threads, device, runtime)

    @property
    def classes(self) -> list[str]:
        return list(map(printable, self.artefact.classes))

    def __call__(
        self, image: str | Path | Image.Image | np.ndarray
    ) -> np.ndarray | Boxes | Instances:
        """Predict of one image.

        Args:
            image: a file, a Pillow image, or an RGB array (H, W, 3) of uint8.  Files are turned as
                their EXIF orientation says.

        Returns:
            Of a segmentor the label map (H, W) of the image's size (logits (K, h, w) where the
            graph gives them, at the input's size); of a detector :class:`Boxes`, or
            :class:`Instances` where the graph gives masks; of a classifier the scores (classes,).

        Raises:
            DataError: a file that is no image.
        """
        given = read_image(image)
        about = self.artefact
        ready, scale = ready_for(about, given)
        batch = self.artefact.batch or 1
        found = self.session.run(np.repeat(ready[None], batch, 0))
        found = {name: value[0] for name, value in found.items()}
        if self.artefact.task == LABEL_MAP:
            if 'label_map' not in found:
                return found['logits']
            return resized_labels(found['label_map'], given.size, scale)
        if self.artefact.task == BOXES:
            return in_image(found, about.outputs, given.size, scale)
        return found['scores']

    def draw(
        self,
        image: str | Path | Image.Image | np.ndarray,
        found: np.ndarray | Boxes | Instances | None = None,
        opacity: float = 0.6,
        score: float = 0.3,
    ) -> Image.Image:
        """Draw what is predicted over an image, with the names of classes in a legend below.

        Args:
            image: see the call.
            found: what the call has given for it; None: it is called.
            opacity: of the drawn classes, 0 to 1.
            score: of a box that is drawn, at least.

        Raises:
            UsageError: logits, which are at another size than the image.
        """
        given = read_image(image)
        found = self(given) if found is None else found
        classes, palette = self.classes or list(map(str, range(256))), self.artefact.palette
        if self.artefact.task == BOXES:
            return draw_objects(given, found, classes, palette, opacity, score)
        if self.artefact.task != LABEL_MAP:
            return draw_classes(given, found, classes)
        if found.shape != (given.height, given.width):
            raise UsageError(
                f'a prediction of shape {found.shape} cannot be drawn over an image of '
                f'{given.height} x {given.width} (height x width): expected its label map'
            )
        return draw_labels(given, found, classes, palette, opacity)


def ready_for(artefact: Artefact, image: Image.Image) -> tuple[np.ndarray, tuple[float, float]]:
    """Bring an image to the size that an artefact takes, or to the nearest: see :func:`fitted`."""
    if artefact.dynamic:
        size = (max(1, round(side / MULTIPLE)) * MULTIPLE for side in (image.height, image.width))
        return fitted(image, tuple(size), Fit(STRETCH), artefact.fill)
    return fitted(image, artefact.size, Fit(artefact.fit, artefact.share), artefact.fill)


def fitted(
    image: Image.Image, size: tuple[int, int], fit: Fit, fill: Sequence[int]
) -> tuple[np.ndarray, tuple[float, float]]:
    """Bring an image to the size of an input, (height, width).

    Args:
        fit: how.
        fill: of an :class:`Artefact`.

    Returns:
        uint8 (H, W, 3), and the factors of x and y by which the image was resized.
    """
    height, width = size
    if fit.how == CROP:
        return _middle(image, size, fit.share)
    if fit.how == PAD:
        factor = min(width / image.width, height / image.height)
        new = (
            max(1, min(width, round(image.width * factor))),
            max(1, min(height, round(image.height * factor))),
        )
    else:
        new = (width, height)
    scale = (new[0] / image.width, new[1] / image.height)
    if new != image.size:
        image = image.resize(new, Image.Resampling.BILINEAR)
    if new == (width, height):
        return np.asarray(image), scale
    ready = np.empty((height, width, 3), np.uint8)
    ready[:] = fill
    ready[: new[1], : new[0]] = np.asarray(image)
    return ready, scale


def _middle(
    image: Image.Image, size: tuple[int, int], share: float
) -> tuple[np.ndarray, tuple[float, float]]:
    """Do what timm's transform of test images does: resize, bicubic, and crop the middle.

    What the crop leaves out is not resized: of a long image it is nearly all.
    """
    least = tuple(math.floor(side / share) for side in size[::-1])  # width, height
    factor = max(new / side for new, side in zip(least, image.size))
    resized = [max(new, int(side * factor)) for new, side in zip(least, image.size)]
    scale = tuple(new / side for new, side in zip(resized, image.size))
    starts = [round((new - side) / 2) for new, side in zip(resized, size[::-1])]
    ends = [
        min((start + side) / by, whole)
        for start, side, by, whole in zip(starts, size[::-1], scale, image.size)
    ]
    box = (*(start / by for start, by in zip(starts, scale)), *ends)
    middle = image.resize(size[::-1], Image.Resampling.BICUBIC, box)
    return np.asarray(middle), scale


def resized_labels(
    labels: np.ndarray, size: tuple[int, int], scale: tuple[float, float]
) -> np.ndarray:
    """Bring a label map back to an image, (width, height), by the nearest label."""
    rows = np.minimum((np.arange(size[1]) + 0.5) * scale[1], labels.shape[0] - 1).astype(int)
    columns = np.minimum((np.arange(size[0]) + 0.5) * scale[0], labels.shape[1] - 1).astype(int)
    return labels[rows[:, None], columns]


def in_image(
    found: Mapping[str, np.ndarray],
    outputs: Mapping[str, Any],
    size: tuple[int, int],
    scale: tuple[float, float],
) -> Boxes | Instances:
    """Return the boxes that have a score, and their masks, in pixels of an image.

    Args:
        found: of the image, by the names of outputs.
        outputs: what the artefact says of them.
        size: (width, height) of the image.
        scale: of x and y, from the image to the graph's input.
    """
    kept = found['scores'] > 0
    boxes = found['boxes'][kept] / np.array([*scale, *scale], np.float32)
    clipped = np.clip(boxes, 0, np.array([*size, *size], np.float32))
    seen = Boxes(clipped, found['scores'][kept], found['labels'][kept])
    if 'masks' not in found:
        return seen
    return Instances(*seen, pasted(found['masks'][kept], boxes, outputs['masks'], size, scale))


def read_image(image: str | Path | Image.Image | np.ndarray) -> Image.Image:
    """Return an RGB image of a file (turned as its EXIF says), a Pillow image or an array.

    Raises:
        DataError: a file that is no image.
        UsageError: an array that is none.
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UsageError(
                f'an image of {image.dtype} {image.shape}: expected uint8 (H, W, 3), RGB'
            )
        return Image.fromarray(image)
    if isinstance(image, Image.Image):
        return image.convert('RGB')
    try:
        with Image.open(image) as file:
            return ImageOps.exif_transpose(file).convert('RGB')
    except Exception as error:  # decoders raise what they will
        raise DataError(f'{image} is no image that can be read ({first_line(error)})') from error
