"""Checks that a data set matches its description: files, classes, annotations."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from glob import escape
from pathlib import Path
from typing import Any

from nasvit_mm.data.coco_files import read_categories
from nasvit_mm.data.images import near
from nasvit_mm.data.pass_cache import PassCache
from nasvit_mm.data.report import Problems, some
from nasvit_mm.data.shared_images import CONTENTS_UP_TO
from nasvit_mm.errors import DataError


class NamedPipeline:
    """A pipeline of transforms that names the file it cannot read."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def __call__(self, data: Any) -> Any:
        files = [str(data[key]) for key in ('img_path', 'seg_map_path') if data.get(key)]
        try:
            return self.pipeline(data)
        except (OSError, SyntaxError, AssertionError) as error:  # raised by PIL and mmcv
            raise DataError(
                f'a file of these cannot be read: {", ".join(files)} ({error}); '
                'replace it or remove the image from the data set'
            ) from error

    def __getattr__(self, name: str) -> Any:
        if name == 'pipeline':  # asked for during unpickling
            raise AttributeError(name)
        return getattr(self.pipeline, name)


def wrapped_datasets(dataset: Any) -> list[Any]:
    """Return the data sets that a wrapper (RepeatDataset, ConcatDataset) is around, or none."""
    found = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    return [one for one in found if one is not None]


def inner_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets inside wrappers (RepeatDataset, ConcatDataset)."""
    inner = wrapped_datasets(dataset)
    if not inner:
        yield dataset
    for one in inner:
        yield from inner_datasets(one)


def own_transforms(dataset: Any) -> list[Any]:
    """Return the transforms of a data set's own pipeline, not of those inside."""
    pipeline = getattr(dataset, 'pipeline', None)
    return list(getattr(pipeline, 'transforms', pipeline) or ())


def check_same_classes(dataset: Any, split: str, first: dict[str, tuple]) -> None:
    """Check that the data sets of all splits have the same classes in the same order.

    Labels are numbers, so other classes would be trained or evaluated under the wrong names.

    Args:
        first: split and classes of the first data set that was checked; filled in by the first
            call.

    Raises:
        DataError: the classes or their order differ.
    """
    classes = tuple(getattr(dataset, 'metainfo', {}).get('classes') or ())
    if not classes:
        return
    if not first:
        first[split] = classes
    ((reference, expected),) = first.items()
    if classes != expected:
        only = [
            ', '.join(sorted(map(str, set(a) - set(b)))[:5]) or 'none'
            for a, b in ((expected, classes), (classes, expected))
        ]
        raise DataError(
            f'the classes of the {split} data set ({len(classes)}) are not those of the '
            f'{reference} data set ({len(expected)}): only in {reference}: {only[0]}; only in '
            f'{split}: {only[1]}; order counts too'
        )


def check_files(dataset: Any, split: str) -> list[str]:
    """Check that every image has its annotation, or every annotation its image.

    Returns:
        The files of the images.

    Raises:
        DataError: the data set is empty, or files are missing.
    """
    if getattr(dataset, 'backend_args', None):
        return []  # not on this machine's disk
    kind = type(dataset).__name__
    if not hasattr(dataset, 'get_data_info'):
        samples = getattr(dataset, 'samples', ())  # of a folder of images per class
        return [path for path, _ in samples] if len(samples) <= CONTENTS_UP_TO else []
    if not len(dataset):
        raise DataError(
            f'the {split} data set ({kind}) has no image with annotations; classes: '
            f'{", ".join(dataset.metainfo.get("classes", ()))}'
        )
    images, missing, lost = [], [], []
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        if not info.get('img_path'):
            continue
        images.append(info['img_path'])
        if not os.path.isfile(info['img_path']):
            lost.append(info['img_path'])
        elif info.get('seg_map_path') and not os.path.isfile(info['seg_map_path']):
            missing.append(info)
    _check_listed(dataset, split, lost)
    if lost:
        there = near(lost[0])
        raise DataError(
            f'{lost[0]} does not exist{there}, though the annotations of the '
            f'{split} data set ({kind}, {dataset.ann_file}) name it; {len(lost)} of {len(dataset)} '
            f'are missing: {"name it as it is, " if there else ""}put them there, or remove them '
            'from that file'
        )
    if missing:
        raise DataError(
            f'{len(missing)} of {len(dataset)} images of the {split} data set ({kind}) have no '
            f'annotation, the first: {missing[0]["img_path"]} needs {missing[0]["seg_map_path"]}. '
            f'Put it there, or remove the image{_other_suffix(dataset, split, missing[0])}'
        )
    return images


def _other_suffix(dataset: Any, split: str, info: Mapping[str, Any]) -> str:
    """Word the remedy of another suffix, that of the file that is there if there is one."""
    now = getattr(dataset, 'seg_map_suffix', None)
    if now is None:
        return ''
    wanted = Path(info['seg_map_path'])
    stem = wanted.name.removesuffix(now)
    there = sorted(wanted.parent.glob(f'{escape(stem)}*')) if wanted.parent.is_dir() else []
    found = f'={there[0].name[len(stem) :]!r}' if there else ''
    also = f'; there is {there[0]}' if there else ''
    return f', or set seg_map_suffix{found} in {split}_dataloader.dataset (now {now!r}{also})'


def _check_listed(dataset: Any, split: str, lost: list[str]) -> None:
    """Check that a list of mmseg names images as it expects them, one a line, without suffix."""
    suffix, file = getattr(dataset, 'img_suffix', ''), getattr(dataset, 'ann_file', '')
    if not (lost and suffix and file):
        return
    where = f'{file} (ann_file of the {split} data set)'
    folder = dataset.data_prefix.get('img_path') or ''
    if '\ufeff' in lost[0]:
        raise DataError(
            f'{where} begins with a byte order mark, which is read as part of the first name: save '
            'it as UTF-8 without BOM'
        )
    empty = sum(Path(path) == Path(folder, suffix) for path in lost)
    if empty:
        raise DataError(f'{where} has {empty} empty lines: remove them')
    twice = [path for path in lost if path.endswith(suffix * 2)]
    if twice:
        name = Path(twice[0]).name.removesuffix(suffix)
        raise DataError(
            f'{where} names {len(twice)} images with '
            f'their suffix, to which {suffix!r} is appended: write {name.removesuffix(suffix)} '
            f'instead of {name}, a name without suffix on each line'
        )
    inside = [path for path in lost if Path(folder, Path(path).name).is_file()]
    if inside:
        name = os.path.relpath(inside[0], folder).removesuffix(suffix)
        raise DataError(
            f'{where} names {len(inside)} images with folders, which are not below {folder}: write '
            f'{Path(name).name} instead of {name}'
        )


def check_categories(
    dataset: Any, classes: list[str], split: str, head: str, problems: Problems, cache: PassCache
) -> None:
    """Check that the annotation file has a data set's classes, in the same order.

    mmdet leaves out classes that the file lacks and numbers the others in the file's order,
    whatever their names; boxes of other categories are left out.

    Raises:
        DataError: a class is missing from the file, or the order differs.
    """
    which = f'the {split} data set ({type(dataset).__name__})'
    names, boxes = read_categories(dataset.ann_file, cache)
    unknown = [c for c in classes if c not in names.values()]
    if unknown:
        raise DataError(
            f'{dataset.ann_file} has no category {", ".join(unknown[:5])}, a class of {which}; it '
            f'has {", ".join(names.values())}: name those in metainfo=dict(classes=...) of the '
            f'data set, and their number in {head}.num_classes'
        )
    order = [names[i] for i in dataset.cat_ids]
    if order != classes:
        raise DataError(
            f'the classes of {which} are in another order than in {dataset.ann_file}: give '
            f'metainfo=dict(classes={tuple(order)})'
        )
    left = {i: n for i, n in boxes.items() if n and i not in set(dataset.cat_ids)}
    if left:
        problems.warn(
            f'{sum(left.values())} of {sum(boxes.values())} boxes of {dataset.ann_file} are not '
            f'used, for their categories are no classes of {which}: '
            f'{some([names.get(i, i) for i in left])}'
        )
