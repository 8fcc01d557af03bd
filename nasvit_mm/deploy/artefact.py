"""An artefact: a folder with the model file that a device runs, and what is known of it.

Standard library only: a device needs no torch to read it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nasvit_mm.errors import UsageError, first_line, shown_path, shown_value
from nasvit_mm.files import sha256, write_text

DESCRIPTION, CARD = 'deploy.json', 'README.md'
FORMAT = 1  # of the description
LABEL_MAP, BOXES, CLASSES = 'label map', 'boxes', 'classes'
TASKS = (LABEL_MAP, BOXES, CLASSES)
STRETCH, PAD, CROP = 'stretch', 'pad', 'crop'  # how an image is brought to the input's size
PRECISIONS = ('fp32', 'bf16', 'int8')
MOST = 2**31  # values of an input
SMALLEST_SHARE = 0.01  # of an image that is looked at
MULTIPLE = 32  # of height and width where they are free: strides of networks divide it
BOX, IMAGE = 'box', 'image'  # what a mask covers


class Fit(NamedTuple):
    """How an image is brought to the size of an input.

    Attributes:
        how: ``'stretch'``; ``'pad'``, which keeps its shape and fills right and below; or, of
            classifiers, ``'crop'``, which keeps its shape and takes the middle.
        share: of ``'crop'``: the side of the input over the short side of the resized image.
    """

    how: str
    share: float = 1.0


@dataclass(frozen=True)
class Artefact:
    """What ``deploy.json`` says.

    Attributes:
        folder: where the files are.
        task: what is predicted: ``'label map'``, ``'boxes'`` or ``'classes'``.
        runtime: what runs it, one of :data:`nasvit_mm.deploy.RUNTIMES`.
        version: of that runtime, when it was made.
        precision: ``'fp32'``, ``'bf16'`` or ``'int8'``.
        input: ``name``, ``shape`` [N, H, W, 3], ``dtype``, ``layout``, ``colour``, and ``example``,
            the (H, W) that it was made with.  N None: any; H and W None: any multiples of
            :data:`MULTIPLE`.
        outputs: name -> ``shape`` (None: as of the input) and ``dtype``; of ``masks`` also what
            they cover, the threshold above which a pixel belongs to the object, and the size of
            the network's input: see :func:`nasvit_mm.deploy.pasting.pasted`.
        mean, std: what the graph subtracts and divides by, RGB, of values of 0 to 255.
        fit, share: how images are brought to the input's size, see :class:`Fit`.
        fill: RGB colour of the filling.
        classes: names, in the order of the labels.
        palette: RGB colour of each class, or empty.
        files: name -> first digits of the SHA-256 of what it holds; the first is the model.
        origin: config, weights and their digest, calibration, versions.
        measured: metric and latency of these very files, as they become known.
        remarks: sentences that who uses it has to know.
    """

    folder: Path
    task: str
    runtime: str
    version: str
    precision: str
    input: dict[str, Any]
    outputs: dict[str, Any]
    mean: list[float]
    std: list[float]
    fit: str
    fill: list[int]
    classes: list[str]
    palette: list[list[int]]
    files: dict[str, str]
    origin: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0
    remarks: list[str] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width) of the input in pixels; of any size: what it was made with."""
        return tuple(self.input['example'] if self.dynamic else self.input['shape'][1:3])

    @property
    def dynamic(self) -> bool:
        """Return whether images of any height and width are taken."""
        return self.input['shape'][1] is None

    @property
    def batch(self) -> int | None:
        """Return the number of images that it takes at once; None: any."""
        return self.input['shape'][0]

    @property
    def model_file(self) -> Path:
        return self.folder / next(iter(self.files))

    @property
    def digest(self) -> str:
        """Return the digest of the model file."""
        return next(iter(self.files.values()))

    def save(self) -> None:
        """Write the description."""
        content = dict(format=FORMAT, **dataclasses.asdict(self))
        del content['folder']
        write_text(self.folder / DESCRIPTION, json.dumps(content, indent=1) + '\n')

    def with_measured(self, **measured: Any) -> Artefact:
        """Return the artefact with more that was measured of it."""
        return dataclasses.replace(self, measured={**self.measured, **measured})

    @classmethod
    def load(cls, folder: str | Path) -> Artefact:
        """Read an artefact, and check that its files are those that it describes.

        Raises:
            UsageError: no artefact, one of a later version, one that is cut, or a file that
                was changed since.
        """
        folder, path = Path(folder), Path(folder, DESCRIPTION)
        if not path.is_file():
            raise UsageError(
                f'{shown_path(folder)} is no artefact: it has no {DESCRIPTION}; '
                'tools/deploy.py CONFIG WEIGHTS --to RUNTIME --out DIR writes one'
            )
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
            version = content.pop('format')
            if version != FORMAT:
                raise ValueError(f'format {version!r}, and this version reads {FORMAT}')
            found = cls(folder=folder, **content)
            found._check()
        except (ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError) as error:
            raise UsageError(
                f'{path} is no description of an artefact ({first_line(error)}): make it again by '
                'tools/deploy.py'
            ) from error
        for name, digest in found.files.items():
            if not (folder / name).is_file():
                raise UsageError(f'{shown_path(folder)}: {name} is missing; make it again')
            if sha256(folder / name) != digest:
                raise UsageError(
                    f'{folder / name} is not the file that {DESCRIPTION} describes: its SHA-256 is '
                    f'another; make the artefact again'
                )
        return found

    def _check(self) -> None:
        batch, *sides = shape = self.input['shape']
        if len(sides) == 3 and sides[:2] == [None, None]:
            sides = shape = [*self.input['example'], sides[2]]
        if len(sides) != 3 or sides[2] != 3 or not all(map(_is_size, (batch or 1, *sides))):
            raise ValueError(f'input shape {shown_value(shape)}')
        if math.prod((batch or 1, *sides)) > MOST:
            raise ValueError(f'input shape {shown_value(self.input["shape"])}: too large')
        if not isinstance(self.files, Mapping) or not self.files:
            raise ValueError('files are missing')
        if any(Path(name).name != name or name in ('', '..') for name in self.files):
            raise ValueError('a file outside of the folder')
        model, *others = self.files
        if model.endswith('.xml') and f'{model.removesuffix(".xml")}.bin' not in others:
            raise ValueError(f'the weights of {model} are not among the files')
        fits = dict(
            task=self.task in TASKS,
            fit=self.fit in (STRETCH, PAD) or (self.fit == CROP and self.task == CLASSES),
            share=isinstance(self.share, (int, float)) and SMALLEST_SHARE <= self.share <= 1,
            precision=self.precision in PRECISIONS,
            runtime=isinstance(self.runtime, str),
            fill=len(self.fill) == 3 and all(value in range(256) for value in self.fill),
            classes=all(isinstance(name, str) for name in self.classes),
            outputs=all(
                isinstance(about['shape'], list) and isinstance(about['dtype'], str)
                for about in self.outputs.values()
            ),
            origin=isinstance(self.origin, Mapping),
            measured=isinstance(self.measured, Mapping),
            remarks=isinstance(self.remarks, list)
            and all(isinstance(r, str) for r in self.remarks),
        )
        for name in [name for name, right in fits.items() if not right]:
            raise ValueError(f'{name} {shown_value(getattr(self, name))}')


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
