"""Images of a test set beside their labels and what an artefact predicts of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image, ImageDraw, ImageOps

from nasvit_mm.deploy import Predictor
from nasvit_mm.legend import coloured
from nasvit_mm.own_data import Colour, contact_sheet, made_up, with_boxes
from nasvit_mm.runtime import quiet_packages

WIDE = 400  # pixels of a place
SURE = 0.3  # score from which on a box is drawn


def draw_predictions(cfg: Config, artefact: Path, number: int = 4) -> Image.Image:
    """Draw image | label | prediction of some test images, over a legend of the classes.

    Args:
        cfg: with the test data.
        artefact: folder.
        number: of images, evenly through the set.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    with quiet_packages():
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    predictor = Predictor(artefact)
    classes = [str(name) for name in dataset.metainfo['classes']]
    given = dataset.metainfo.get('palette')
    colours = tuple(map(tuple, given)) if given else made_up(len(classes) + 1)[1:]
    places, present = [], set()
    for info in _chosen(dataset, number):
        with Image.open(info['img_path']) as opened:
            image = ImageOps.exif_transpose(opened).convert('RGB')
        draw = _maps if info.get('seg_map_path') else _boxes if 'instances' in info else _classes
        label, prediction, seen = draw(image, info, predictor(image), classes, colours)
        present |= seen
        titled = {Path(info['img_path']).name: image, 'label': label, 'prediction': prediction}
        places += [(title, _fitted(panel)) for title, panel in titled.items()]
    legend = {classes[i]: colours[i] for i in sorted(present) if i < len(classes)}
    return contact_sheet(places, legend, columns=3)


def _chosen(dataset: Any, number: int) -> Iterator[Mapping[str, Any]]:
    if not hasattr(dataset, 'get_data_info'):  # images in a folder a class
        step = max(len(dataset.samples) // number, 1)
        for path, label in dataset.samples[::step][:number]:
            yield dict(img_path=path, label=label)
        return
    for i in range(0, len(dataset), max(len(dataset) // number, 1))[:number]:
        yield dict(dataset.get_data_info(i), reduce=getattr(dataset, 'reduce_zero_label', False))


def _fitted(image: Image.Image) -> Image.Image:
    scale = WIDE / image.width
    return image.resize((WIDE, max(round(image.height * scale), 1)), Image.Resampling.BILINEAR)


def _maps(
    image: Image.Image,
    info: Mapping[str, Any],
    found: np.ndarray,
    classes: Sequence[str],
    colours: Sequence[Colour],
) -> tuple[Image.Image, Image.Image, set[int]]:
    with Image.open(info['seg_map_path']) as opened:
        labels = np.array(opened).astype(np.int64)
    if info.get('reduce'):
        labels = np.where(labels == 0, 255, labels - 1)
    pixels, seen = np.array(image), set()
    out = []
    for values in (labels, found):
        out.append(Image.fromarray(coloured(pixels, values, colours)))
        seen |= set(np.unique(values).tolist())
    return *out, seen


def _boxes(
    image: Image.Image,
    info: Mapping[str, Any],
    found: Any,
    classes: Sequence[str],
    colours: Sequence[Colour],
) -> tuple[Image.Image, Image.Image, set[int]]:
    there = [(one['bbox_label'], one['bbox']) for one in info['instances']]
    sure = [(int(i), box) for i, box, s in zip(found.labels, found.boxes, found.scores) if s > SURE]
    scale, table, out = WIDE / image.width, dict(zip(classes, colours)), []
    for several in (there, sure):
        named = [
            (classes[i], [scale * v for v in (x1, y1, x2 - x1, y2 - y1)])
            for i, (x1, y1, x2, y2) in several
        ]
        out.append(with_boxes(_fitted(image), named, table))
    return *out, {i for i, _ in (*there, *sure)}


def _classes(
    image: Image.Image,
    info: Mapping[str, Any],
    found: np.ndarray,
    classes: Sequence[str],
    colours: Sequence[Colour],
) -> tuple[Image.Image, Image.Image, set[int]]:
    best = int(np.argmax(found))
    texts = (classes[info['label']], f'{classes[best]} ({found[best]:.0%})')
    out = []
    for text in texts:
        panel = _fitted(image)
        ImageDraw.Draw(panel).text(
            (6, 4), text, 'yellow', stroke_width=1, stroke_fill='black', font_size=20
        )
        out.append(panel)
    return *out, set()
