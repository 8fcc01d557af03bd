"""Label maps of a segmentation data set: what they hold, and whether each fits its image."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nasvit_mm.data.images import (
    ImageHeader,
    files_below,
    read_header,
    read_pixels,
    size_text,
    transforms_of,
    turns_images,
)
from nasvit_mm.data.pass_cache import PassCache, fingerprint, sample
from nasvit_mm.data.report import Problems, with_progress

ONE_CHANNEL = ('1', 'L', 'P', 'I', 'I;16', 'I;16B', 'I;16L')
LOSSY = ('JPEG', 'MPO', 'JPEG2000', 'WEBP')


@dataclass
class LabelCounts:
    """Labels as the files hold them, before any cast or mapping.

    Attributes:
        split: ``'train'``, ``'val'`` or ``'test'``.
        looked: number of masks that were looked at.
        total: number of masks there are.
        pixels: number of pixels by label.
        first: the first file with a label.
    """

    split: str
    looked: int
    total: int
    pixels: Counter = field(default_factory=Counter)
    first: dict[int, str] = field(default_factory=dict)

    def add(self, path: str, labels: np.ndarray) -> None:
        values, numbers = np.unique(labels, return_counts=True)
        for value, number in zip(values.tolist(), numbers.tolist()):
            self.pixels[value] += number
            self.first.setdefault(value, path)


def mask_loader(dataset: Any) -> Any:
    """Return the loader of label maps in the pipeline, mmseg's or one that reads as it does.

    None where there is none: another loader may read whatever its author meant.
    """
    for step in transforms_of(dataset):
        for kind in type(step).__mro__:
            if '_load_seg_map' in vars(kind):  # the class whose reading this step does
                if kind.__name__ == 'LoadAnnotations' and kind.__module__.startswith('mmseg.'):
                    return step
                break
    return None


def look_at_label_maps(
    dataset: Any, split: str, problems: Problems, cache: PassCache
) -> LabelCounts | None:
    """Count labels and compare masks with images, over all files or a large sample.

    Args:
        dataset: of mmseg, initialized.
        split: its name in messages.
        problems: takes what is wrong.
        cache: keeps the counts of a pass that found nothing wrong.

    Returns:
        The counts; None for data that have no label maps in files on this machine.
    """
    loader = mask_loader(dataset)
    if loader is None or getattr(dataset, 'backend_args', None):
        return None
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    pairs = [(i['img_path'], i['seg_map_path']) for i in infos if i.get('seg_map_path')]
    if not pairs:
        return None
    _check_reduce(dataset, split, loader, problems)
    turned = turns_images(transforms_of(dataset))
    config = ('label maps', split, turned, loader.imdecode_backend)
    key = fingerprint(config, (name for pair in pairs for name in pair))
    kept = cache.get(key)
    if kept:
        return LabelCounts(
            split,
            kept['looked'],
            len(pairs),
            Counter({int(k): v for k, v in kept['pixels'].items()}),
            {int(k): v for k, v in kept['first'].items()},
        )
    chosen, before = sample(pairs), bool(problems)
    counts = LabelCounts(split, len(chosen), len(pairs))
    for image, mask in with_progress(chosen, f'checking the {split} data, image and mask'):
        _look_at(image, mask, split, loader, turned, counts, problems)
    if not before and not problems:
        cache.put(key, dict(looked=counts.looked, pixels=counts.pixels, first=counts.first))
    return counts


def _check_reduce(dataset: Any, split: str, loader: Any, problems: Problems) -> None:
    """Find loaders that treat label 0 in another way than their data set, on which they fail."""
    said, loaded = bool(getattr(dataset, 'reduce_zero_label', False)), loader.reduce_zero_label
    if loaded is not None and bool(loaded) != said:
        problems.add(
            'loaders of label maps with another reduce_zero_label than their data set',
            f'LoadAnnotations of the {split} data set has {loaded}, the data set {said}',
            f'Leave it out of LoadAnnotations and give reduce_zero_label={bool(loaded)} to the '
            'data set.',
        )


def _look_at(
    image: str,
    mask: str,
    split: str,
    loader: Any,
    turned: bool,
    counts: LabelCounts,
    problems: Problems,
) -> None:
    headers = []
    for path in (image, mask):
        try:
            headers.append(read_header(path))
            if path == image:
                read_pixels(image)
        except Exception as error:  # decoders raise what they will
            _add_unreadable(problems, split, path, error)
            return
    _check_sizes(image, mask, split, *headers, turned, problems)
    header = headers[1]
    if header.format in LOSSY:
        problems.add(
            f'masks of the {split} data set in a lossy format, whose labels are not those that '
            'were written',
            f'{mask} ({header.format})',
            'Write masks as PNG from their source, and set seg_map_suffix=.png; '
            'converting these files does not bring the labels back.',
        )
    palette = header.mode == 'P' and loader.imdecode_backend != 'pillow'
    if header.mode == 'F':
        problems.add(
            f'masks of the {split} data set of real numbers',
            f'{mask} (mode F)',
            'A label map holds class numbers: write it as numpy.uint8, or numpy.uint16 from 256 '
            'classes on.',
        )
        return
    if header.mode not in ONE_CHANNEL or palette:
        problems.add(
            f'masks of the {split} data set with more than one channel',
            f'{mask} ({3 if palette else header.channels} channels, mode {header.mode})',
            'A label map has one channel, with a class number in each pixel: write colours as '
            'numbers (numpy.uint8, mode L or P), in the order of metainfo.classes'
            + (", or read palettes by imdecode_backend='pillow'." if palette else '.'),
        )
        return
    try:
        with Image.open(mask) as opened:
            counts.add(mask, np.array(opened))
    except Exception as error:  # decoders raise what they will
        _add_unreadable(problems, split, mask, error)


def _add_unreadable(problems: Problems, split: str, path: str, error: Exception) -> None:
    problems.add(
        f'files of the {split} data set that cannot be read',
        f'{path} ({error})',
        'Replace them, or remove image and mask from the data set.',
    )


def _check_sizes(
    image: str,
    mask: str,
    split: str,
    of_image: ImageHeader,
    of_mask: ImageHeader,
    turned: bool,
    problems: Problems,
) -> None:
    read = of_image.upright if turned else of_image.stored
    turned = turned and of_image.orientation != 1
    pair = f'{mask} ({size_text(of_mask.stored)}) of {image} ({size_text(read)})'
    if of_mask.stored == read and (not turned or of_image.tells_by_size):
        return
    if turned and of_mask.stored == of_image.stored:
        problems.add(
            f'images of the {split} data set that are turned as their EXIF orientation says, '
            'while their masks are not',
            f'{image} (orientation {of_image.orientation}, read as {size_text(read)}; its mask '
            f'{mask}: {size_text(of_mask.stored)})',
            "If the masks are of the images as stored, set color_type='color_ignore_orientation' "
            'in LoadImageFromFile of all pipelines, or delete the orientation: exiftool '
            '-Orientation= FILES; if of the turned images, write those upright: mogrify '
            '-auto-orient FILES.',
        )
    else:
        problems.add(
            f'masks of the {split} data set of another size than their image (width x height)',
            pair,
            'Write each mask at the size of its image: resize it by nearest neighbour, or take '
            'the image that it was drawn on.',
        )


def check_masks_without_images(dataset: Any, split: str, problems: Problems) -> None:
    """Find masks in the folder that no image of the data set takes.

    mmseg takes the images with the suffix as it is written, and others are left out in silence.
    """
    folders = getattr(dataset, 'data_prefix', None) or {}
    images, masks = folders.get('img_path'), folders.get('seg_map_path')
    if (
        mask_loader(dataset) is None
        or getattr(dataset, 'backend_args', None)
        or getattr(dataset, 'ann_file', None)
        or getattr(dataset, '_indices', None) is not None
        or not (images and masks and Path(masks).is_dir() and hasattr(dataset, 'img_suffix'))
    ):
        return  # a list, or a part of the data, leaves masks over by intent
    suffix = dataset.img_suffix
    taken = _stems(images, suffix)
    left = sorted(_stems(masks, dataset.seg_map_suffix) - taken)
    if not left:
        return
    there = {name.lower(): name for name in files_below(images)}
    first = Path(masks, left[0] + dataset.seg_map_suffix)
    line = (
        f'{len(left)} of {len(left) + len(taken)} masks in {masks} have no image with the suffix '
        f'{suffix!r} in {images}, the first: {first}'
    )
    cased = [(stem, there.get((stem + suffix).lower())) for stem in left]
    cased = [(stem, name) for stem, name in cased if name]
    if cased:
        name = cased[0][1]
        problems.add(
            f'masks of the {split} data set whose image has the suffix {suffix!r} in other letters',
            f'{line} (there is {name})',
            f'Rename those images to {suffix}.',
        )
    else:
        problems.warn(f'{line}; those are not used in {split}')


def _stems(folder: str, suffix: str) -> set[str]:
    return {name.removesuffix(suffix) for name in files_below(folder, suffix)}
