"""What a trained model predicts for image files, drawn and written, one image at a time.

mmseg's and mmdet's inferencers predict.  They name what they write by numbers or by file names
alone, and write label maps of 8 bits, so that is done here.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.fileio import get
from PIL import Image

from nasvit_mm.data import class_names
from nasvit_mm.errors import printable
from nasvit_mm.files import replacing, write_errors, write_text
from nasvit_mm.legend import Colour, class_colours, with_legend

SMALLEST = 32  # pixels of a side: the stride of the last features
Draw = Callable[[str, Path, str], None]


class Drawing(NamedTuple):
    """How predictions are drawn.

    Attributes:
        device: ``'cuda:0'``, ``'cpu'``; None: what there is.
        opacity: of the drawn classes, 0 to 1.
        with_labels: write the names of classes.
        score: smallest score of a box that is drawn.
        show: show the images in windows too.
    """

    device: str | None = None
    opacity: float = 0.6
    with_labels: bool = False
    score: float = 0.3
    show: bool = False


def segments(cfg: Config, weights: str, how: Drawing) -> Draw:
    """Return a function that draws the classes of an image's pixels, and writes its label map to
    ``OUT_DIR/pred``: 8 bits, of more than 256 classes 16.
    """
    from mmengine.structures import PixelData
    from mmseg.apis import MMSegInferencer

    inferencer = MMSegInferencer(cfg, weights, device=how.device, show_progress=False)
    meta = {**inferencer.model.dataset_meta, **class_names(cfg)}  # weights may say nothing of them
    classes, visualizer = meta['classes'], inferencer.visualizer
    colours = class_colours(meta.get('palette'), len(classes))
    visualizer.dataset_meta = dict(classes=classes, palette=list(map(list, colours)))
    visualizer.alpha = how.opacity
    kind = np.uint16 if len(classes) > 256 else np.uint8

    def draw(image: str, out_dir: Path, name: str) -> None:
        pixels = _read(image)
        height, width = pixels.shape[:2]
        with _large_enough(image, pixels) as path:
            sample = inferencer(path, return_datasamples=True)
        labels = sample.pred_sem_seg.data[:, :height, :width].cpu()
        shown = type(sample)(pred_sem_seg=PixelData(data=labels))
        there = [label for label in labels.unique().tolist() if label < len(classes)]
        legend = [(printable(classes[label]), colours[label]) for label in there]
        more = dict(with_labels=how.with_labels)
        _draw(visualizer, shown, image, pixels, out_dir, name, how, legend, **more)
        with replacing(out_dir / 'pred' / f'{name}.png') as draft:
            Image.fromarray(labels[0].numpy().astype(kind)).save(draft, format='PNG')

    return draw


def objects(cfg: Config, weights: str, how: Drawing) -> Draw:
    """Return a function that draws the objects in an image, and writes them to ``OUT_DIR/preds`` as
    JSON.
    """
    from mmdet.apis import DetInferencer

    inferencer = DetInferencer(cfg, weights, device=how.device, show_progress=False)
    inferencer.model.dataset_meta.update(class_names(cfg))  # weights alone say nothing of them
    visualizer = inferencer.visualizer
    visualizer.dataset_meta = inferencer.model.dataset_meta

    def draw(image: str, out_dir: Path, name: str) -> None:
        pixels = _read(image)
        with _large_enough(image, pixels) as path:
            (sample,) = inferencer(path, return_datasamples=True)['predictions']
        if min(pixels.shape[:2]) < SMALLEST:
            sample.pred_instances = _cut_back(sample.pred_instances, *pixels.shape[:2])
        # The boxes have the names of their classes beside them.
        _draw(visualizer, sample, image, pixels, out_dir, name, how, (), pred_score_thr=how.score)
        found = inferencer.pred2dict(sample)
        panoptic = found.pop('panoptic_seg', None)
        if panoptic is not None:
            path = out_dir / 'preds' / f'{name}_panoptic_seg.png'
            found['panoptic_seg_path'] = str(path)
            with replacing(path) as draft:
                Image.fromarray(panoptic).save(draft, format='PNG')
        write_text(out_dir / 'preds' / f'{name}.json', json.dumps(found))

    return draw


def _cut_back(found: Any, height: int, width: int) -> Any:
    """Return the objects of an enlarged image within its first height and width."""
    boxes = found.bboxes
    limits = boxes.new_tensor([width, height, width, height])
    found.bboxes = torch.minimum(boxes, limits)
    if 'masks' in found:
        found.masks = found.masks[..., :height, :width]
    return found[(found.bboxes[:, 2:] > found.bboxes[:, :2]).all(1)]


def _read(image: str) -> np.ndarray:
    """Return a file's or URL's pixels, (H, W, 3) in BGR, turned as its EXIF block says.

    Raises:
        OSError: it cannot be read, or is no image.
    """
    from mmcv import imfrombytes

    pixels = imfrombytes(get(image))
    if pixels is None:
        raise OSError('no image, or a broken one')
    return pixels


@contextmanager
def _large_enough(image: str, pixels: np.ndarray) -> Iterator[str]:
    """Yield a file that a network takes: the image, or of a small one a copy whose last row and
    column are repeated.
    """
    lacking = [max(0, SMALLEST - side) for side in pixels.shape[:2]]
    if not any(lacking):
        yield image
        return
    larger = np.pad(pixels, ((0, lacking[0]), (0, lacking[1]), (0, 0)), mode='edge')
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, 'larger.png'))
        Image.fromarray(larger[..., ::-1]).save(path)
        yield path


def _draw(
    visualizer: Any,
    sample: Any,
    image: str,
    pixels: np.ndarray,
    out_dir: Path,
    name: str,
    how: Drawing,
    legend: Sequence[tuple[str, Colour]],
    **more: Any,
) -> None:
    """Draw a prediction over the pixels (H, W, 3), BGR, of an image, to ``OUT_DIR/vis``."""
    path = out_dir / 'vis' / _shown_name(image, name)
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder, 'drawn.png')
        visualizer.add_datasample(
            name,
            pixels[..., ::-1],
            sample,
            draw_gt=False,
            show=how.show,
            out_file=str(drawn),
            **more,
        )
        with replacing(path) as draft, write_errors(path):
            sheet = with_legend(Image.open(drawn).convert('RGB'), legend)
            sheet.save(draft, format=Image.registered_extensions()[path.suffix], quality=95)


def _shown_name(image: str, name: str) -> str:
    """Return the name of the drawn image: in the image's own format, or where OpenCV may not write
    that, as PNG.
    """
    suffix = Path(image).suffix.lower()
    return name + (suffix if suffix in ('.jpg', '.jpeg', '.png', '.bmp') else '.png')
