"""The annotation files and images that a config's COCO data sets name, checked before they load."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from nasvit_mm.data.coco_json import Content, check_coco, read_coco
from nasvit_mm.data.images import read_header, size_text, turns_images
from nasvit_mm.data.pass_cache import PassCache, fingerprint, sample
from nasvit_mm.data.report import Problems, with_progress
from nasvit_mm.errors import DataError


class CocoSet(NamedTuple):
    """One data set of a config.

    Attributes:
        where: its key in the config.
        ann_file: its annotation file.
        images: folder of its images.
        turned: whether its images are turned as EXIF says.
        masks: whether segmentations are used.
    """

    where: str
    ann_file: str
    images: str
    turned: bool
    masks: bool


def coco_set(where: str, dataset: Mapping[str, Any], metrics: Any = ()) -> CocoSet | None:
    """Return what a data set's config says, None if it does not read COCO JSON from this disk."""
    name = str(dataset.get('type', '')).rpartition('.')[2]
    file, root = dataset.get('ann_file'), dataset.get('data_root') or ''
    if name != 'CocoDataset' or not isinstance(file, str) or not file.endswith('.json'):
        return None
    if dataset.get('backend_args') or '://' in root or '://' in file:
        return None
    steps = [s for s in dataset.get('pipeline') or () if isinstance(s, Mapping)]
    segm = any('segm' in str(m.get('metric', '')) for m in metrics if isinstance(m, Mapping))
    prefix = (dataset.get('data_prefix') or {}).get('img', '')
    return CocoSet(
        where,
        os.path.join(root, file),
        os.path.join(root, prefix),
        turns_images(iter(steps)),
        any(s.get('with_mask') for s in steps) or segm,
    )


def metrics_of(cfg: Config, split: str) -> list[Any]:
    """Return the configs of a split's metrics."""
    found = cfg.get(f'{split}_evaluator') or []
    return list(found) if isinstance(found, (list, tuple)) else [found]


def datasets_in(dataset: Any, where: str) -> Iterator[tuple[str, Mapping]]:
    """Yield a data set and those inside its wrappers (RepeatDataset, ConcatDataset) with keys."""
    if not isinstance(dataset, Mapping):
        return
    yield where, dataset
    yield from datasets_in(dataset.get('dataset'), f'{where}.dataset')
    for i, inner in enumerate(dataset.get('datasets') or ()):
        yield from datasets_in(inner, f'{where}.datasets.{i}')


def check_evaluator(cfg: Config, split: str) -> None:
    """Check that the metric reads the annotations of the images that are predicted.

    Several data sets in one loader have a file in common that only their author knows.

    Raises:
        DataError: names both files.
    """
    loader = cfg.get(f'{split}_dataloader') or {}
    sets = coco_sets(datasets_in(loader.get('dataset'), f'{split}_dataloader.dataset'), ())
    for metric in metrics_of(cfg, split) if len(sets) == 1 else ():
        file = metric.get('ann_file') if isinstance(metric, Mapping) else None
        if isinstance(file, str) and os.path.realpath(file) != os.path.realpath(sets[0].ann_file):
            raise DataError(
                f'{split}_evaluator.ann_file is {file}, while {sets[0].where}.ann_file is '
                f'{sets[0].ann_file}: set {split}_evaluator.ann_file={sets[0].ann_file}'
            )


def check_coco_set(one: CocoSet, split: str, problems: Problems, cache: PassCache) -> None:
    """Check an annotation file, and its images' sizes; a pass without mistakes is kept.

    Raises:
        DataError: the file is no COCO JSON at all.
    """
    if not Path(one.ann_file).is_file():
        return  # another check names it
    key = fingerprint(('coco', split, one.turned, one.masks), [one.ann_file, one.images])
    kept = cache.get(key)
    if kept:
        problems.warnings += kept['warnings']
        return
    own = Problems()
    content = read_coco(one.ann_file)
    check_coco(one.ann_file, content, split, own, masks=one.masks)
    if not own:
        _check_images(one, content, split, own)
    if not own:
        cache.put(key, dict(warnings=own.warnings))
    problems.take(own)


def _check_images(one: CocoSet, content: Content, split: str, problems: Problems) -> None:
    """Compare the sizes in the JSON with those of the files."""
    for image in with_progress(sample(content['images']), f'checking the {split} data, images'):
        path = os.path.join(one.images, image['file_name'])
        said = (int(image['width']), int(image['height']))
        try:
            header = read_header(path)
        except FileNotFoundError:
            continue  # another check looks for all files
        except (OSError, SyntaxError, ValueError) as error:
            problems.add(
                f'images of the {split} data set that cannot be read',
                f'{path} ({error})',
                f'Replace them, or remove them from {one.ann_file}.',
            )
            continue
        read = header.upright if one.turned else header.stored
        if header.orientation != 1 and one.turned and said == header.stored:
            problems.add(
                f'images of the {split} data set that are turned as their EXIF orientation says, '
                f'while {one.ann_file} has the size as stored',
                f'{path} (orientation {header.orientation}, read as {size_text(read)}; in the '
                f'JSON, image {image["id"]}: {size_text(said)})',
                'If the boxes are of the images as stored, set color_type='
                "'color_ignore_orientation' in LoadImageFromFile of all pipelines; if of the "
                'turned images, write those upright: mogrify -auto-orient FILES.',
            )
        elif said != read:
            problems.add(
                f'images of the {split} data set of another size (width x height) than '
                f'{one.ann_file} says',
                f'{path} is {size_text(read)}, in the JSON (image {image["id"]}) {size_text(said)}',
                'Take the images that were annotated, or scale width, height, bbox, area and '
                'segmentation to the size of the files.',
            )


def coco_sets(found: Iterable[tuple[str, Mapping]], metrics: Iterable[Any]) -> list[CocoSet]:
    """Return those of a split's data sets that read COCO JSON."""
    sets = (coco_set(where, dataset, metrics) for where, dataset in found)
    return [one for one in sets if one]
