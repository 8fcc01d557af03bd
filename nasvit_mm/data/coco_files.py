"""The annotation files and images that a config's COCO data sets name, checked before they load."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import DATASETS

from nasvit_mm.data.coco_json import check_coco, read_coco
from nasvit_mm.data.coco_values import Content, has_size, shown
from nasvit_mm.data.images import header_of_whole, size_text, turns_images
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
        polygons: whether only those that are polygons are, by ``poly2mask=False``.
        annotated: whether there have to be annotations, which predictions do without.
    """

    where: str
    ann_file: str
    images: str
    turned: bool
    masks: bool
    polygons: bool
    annotated: bool


def dataset_class(name: Any) -> type | None:
    """Return the class of a data set by the name in a config, None if it is not registered."""
    if isinstance(name, type):
        return name
    with (
        contextlib.redirect_stdout(sys.stderr),
        DATASETS.switch_scope_and_registry(None) as registry,
    ):
        found = registry.get(name) if isinstance(name, str) else None
    return found if isinstance(found, type) else None


def reads_coco(kind: type | None) -> bool:
    """Return whether a data set reads COCO JSON as mmdet's ``CocoDataset`` does.

    So do most of its subclasses; those of LVIS and of panoptic segmentation read other JSON.
    """
    for base in getattr(kind, '__mro__', ()):
        if base.__name__ == 'CocoDataset' and base.__module__.startswith('mmdet.'):
            return kind.load_data_list is base.load_data_list and kind.COCOAPI is base.COCOAPI
    return False


def coco_set(where: str, dataset: Mapping[str, Any], metrics: Iterable[Any] = ()) -> CocoSet | None:
    """Return what a data set's config says, None if it does not read COCO JSON from this disk."""
    file, root = dataset.get('ann_file'), dataset.get('data_root') or ''
    if not isinstance(file, str) or not reads_coco(dataset_class(dataset.get('type'))):
        return None
    if dataset.get('backend_args') or '://' in root or '://' in file:
        return None
    steps = [s for s in dataset.get('pipeline') or () if isinstance(s, Mapping)]
    metrics = [m for m in metrics if isinstance(m, Mapping)]
    segm = any('segm' in str(m.get('metric', '')) for m in metrics)
    prefix = (dataset.get('data_prefix') or {}).get('img', '')
    return CocoSet(
        where,
        os.path.join(root, file),
        os.path.join(root, prefix),
        turns_images(iter(steps)),
        any(s.get('with_mask') for s in steps) or segm,
        any(s.get('with_mask') and not s.get('poly2mask', True) for s in steps),
        not metrics or not all(m.get('format_only') for m in metrics),
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
    several = dataset.get('datasets')
    for i, inner in enumerate(several if isinstance(several, (list, tuple)) else ()):
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
    key = fingerprint(('coco', split, *one[3:]), [one.ann_file, one.images])
    kept = cache.get(key)
    if kept and kept['state'] == fingerprint('images', kept['images']):
        problems.warnings += kept['warnings']
        return
    own = Problems()
    content = read_coco(one.ann_file, one.annotated)
    images = _check_images(one, content, split, own)
    # Boxes are in a size that the image has not: all would be said to be outside.
    check_coco(
        one.ann_file,
        content,
        split if one.annotated else None,
        own,
        masks=one.masks,
        polygons=one.polygons,
        boxes=not own,
    )
    if not own:
        state = fingerprint('images', images)
        cache.put(key, dict(warnings=own.warnings, images=images, state=state))
        _keep_categories(one.ann_file, content, cache)
    problems.take(own)


def read_categories(ann_file: str, cache: PassCache) -> tuple[dict[Any, str], dict[Any, int]]:
    """Return the names of an annotation file's categories and the numbers of their boxes, by id."""
    kept = cache.get(_categories_key(ann_file))
    kept = kept or _keep_categories(ann_file, read_coco(ann_file, annotated=False), cache)
    return {i: name for i, name, _ in kept}, {i: number for i, _, number in kept}


def _keep_categories(ann_file: str, content: Content, cache: PassCache) -> list[list[Any]]:
    numbers = Counter(one.get('category_id') for one in content.get('annotations', ()))
    out = [[c['id'], c['name'], numbers[c['id']]] for c in content['categories']]
    cache.put(_categories_key(ann_file), out)
    return out


def _categories_key(ann_file: str) -> str:
    return fingerprint('categories', [ann_file])


def _check_images(one: CocoSet, content: Content, split: str, problems: Problems) -> list[str]:
    """Compare the sizes in the JSON with those of the files; return the files looked at."""
    images = [i for i in content['images'] if isinstance(i, Mapping) and has_size(i)]
    images = [i for i in images if isinstance(i.get('file_name'), str)]  # others are said below
    looked = []
    for image in with_progress(sample(images), f'checking the {split} data, images'):
        path = os.path.join(one.images, image['file_name'])
        looked.append(path)
        said = (int(image['width']), int(image['height']))
        header = header_of_whole(path, split, one.ann_file, problems)
        if header is None:
            continue
        read = header.upright if one.turned else header.stored
        if header.orientation != 1 and one.turned and read != said == header.stored:
            problems.add(
                f'images of the {split} data set that are turned as their EXIF orientation says, '
                f'while {one.ann_file} has the size as stored',
                f'{path} (orientation {header.orientation}, read as {size_text(read)}; in the '
                f'JSON, image {shown(image.get("id"))}: {size_text(said)})',
                'If the boxes are of the images as stored, set color_type='
                "'color_ignore_orientation' in LoadImageFromFile of all pipelines, or delete the "
                'orientation: exiftool -Orientation= FILES; if of the turned images, write those '
                'upright: mogrify -auto-orient FILES.',
            )
        elif read != said == read[::-1]:
            problems.add(
                f'images of the {split} data set whose width and height are swapped in '
                f'{one.ann_file}',
                f'{path} is {size_text(read)} (width x height), in the JSON (image '
                f'{shown(image.get("id"))}) {size_text(said)}',
                'Swap width and height there if the boxes are of the image as it is; else take '
                'the images that were annotated.',
            )
        elif said != read:
            problems.add(
                f'images of the {split} data set of another size (width x height) than '
                f'{one.ann_file} says',
                f'{path} is {size_text(read)}, in the JSON (image {shown(image.get("id"))}) '
                f'{size_text(said)}',
                'Take the images that were annotated, or scale width, height, bbox, area and '
                'segmentation to the size of the files.',
            )
    return looked


def coco_sets(found: Iterable[tuple[str, Mapping]], metrics: Iterable[Any]) -> list[CocoSet]:
    """Return those of a split's data sets that read COCO JSON."""
    sets = (coco_set(where, dataset, metrics) for where, dataset in found)
    return [one for one in sets if one]
