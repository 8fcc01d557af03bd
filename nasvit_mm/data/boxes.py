"""Boxes of a detection set in another format than COCO JSON, once its own code has read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from nasvit_mm.data.images import header_of_whole, size_text, transforms_of, turns_images
from nasvit_mm.data.pass_cache import PassCache, fingerprint, sample
from nasvit_mm.data.report import Problems, some, with_progress

SLACK = 2.0  # pixels, for boxes are rounded


def look_at_boxes(dataset: Any, split: str, problems: Problems, cache: PassCache) -> bool:
    """Compare the boxes that a data set gives with its images, over all or a large sample.

    mmdet's data sets give ``instances`` with ``bbox`` [x1, y1, x2, y2] and ``bbox_label``, and the
    ``width`` and ``height`` of each image, whatever they read (XML, CSV, LVIS).

    Returns:
        Whether there were such instances.
    """
    if not hasattr(dataset, 'get_data_info') or getattr(dataset, 'backend_args', None):
        return False
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    infos = [info for info in infos if isinstance(info.get('instances'), list)]
    if not infos:
        return False
    files = [str(i[key]) for i in infos for key in ('img_path', 'xml_path') if i.get(key)]
    files.append(str(getattr(dataset, 'ann_file', '')))
    turned = turns_images(transforms_of(dataset))
    classes = tuple(map(str, getattr(dataset, 'metainfo', {}).get('classes') or ()))
    key = fingerprint(('boxes', split, turned, classes, len(infos)), files)
    kept = cache.get(key)
    if kept:
        problems.warnings += kept['warnings']
        return True
    own = Problems()
    for info in with_progress(sample(infos), f'checking the {split} data, boxes'):
        _look_at(info, split, turned, own)
    _check_classes(infos, classes, split, own)
    if not own:
        cache.put(key, dict(warnings=own.warnings))
    problems.take(own)
    return True


def _look_at(info: Mapping[str, Any], split: str, turned: bool, problems: Problems) -> None:
    path = str(info.get('img_path'))
    header = header_of_whole(path, split, 'the data set', problems)
    if header is None:
        return
    size = header.upright if turned else header.stored
    said = (info.get('width', size[0]), info.get('height', size[1]))
    if tuple(said) != size:
        problems.add(
            f'images of the {split} data set of another size (width x height) than their '
            'annotations say',
            f'{path} is {size_text(size)}, in its annotations {size_text(said)}',
            'Take the images that were annotated, or scale width, height and boxes to the size of '
            'the files.',
        )
        return
    for box in (one.get('bbox') for one in info['instances'] if not one.get('ignore_flag')):
        numbers = np.asarray(box, float) if box is not None else np.empty(0)
        if numbers.shape != (4,):
            continue  # an instance without a box
        x1, y1, x2, y2 = numbers
        inside = -SLACK <= x1 < x2 <= size[0] + SLACK and -SLACK <= y1 < y2 <= size[1] + SLACK
        if not inside:  # NaN is not, either
            problems.add(
                f'boxes of the {split} data set that are empty or leave their image',
                f'[{", ".join(f"{v:g}" for v in numbers)}] (x1, y1, x2, y2) in {path} of '
                f'{size_text(size)}',
                'Correct them or remove them from the annotations.',
            )


def _check_classes(
    infos: list[Mapping[str, Any]], classes: tuple[str, ...], split: str, problems: Problems
) -> None:
    counts = Counter(
        one.get('bbox_label')
        for info in infos
        for one in info['instances']
        if not one.get('ignore_flag')
    )
    if not counts and split == 'train':
        problems.add(
            'training sets without a box to train by',
            f'none of {len(infos)} images has one of {", ".join(classes) or "any class"}',
            'Name the classes as the annotations do, in metainfo=dict(classes=...) of the data '
            'set: other names are left out.',
        )
    elif not counts:
        problems.warn(
            f'the {split} data set has no box to evaluate by: its metric will be undefined'
        )
    elif split == 'train':
        never = [name for i, name in enumerate(classes) if not counts[i]]
        if never:
            problems.warn(f'no box of the {split} data set is of the classes {some(never)}')
