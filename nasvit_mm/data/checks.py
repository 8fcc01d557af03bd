"""Checks that a data set matches its description: files, classes, annotations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def inner_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets inside wrappers (RepeatDataset, ConcatDataset)."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner == [None]:
        yield dataset
    else:
        for one in inner:
            yield from inner_datasets(one)


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
        return []  # a folder of images per class
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
        if info.get('seg_map_path') and not Path(info['seg_map_path']).is_file():
            missing.append(info)
        elif not Path(info['img_path']).is_file():
            lost.append(info['img_path'])
    _check_listed(dataset, split, lost + [info['img_path'] for info in missing])
    if lost:
        raise DataError(
            f'{lost[0]} does not exist, though the annotations of the '
            f'{split} data set ({kind}, {dataset.ann_file}) name it; {len(lost)} of {len(dataset)} '
            'are missing: put them there, or remove them from that file'
        )
    if missing:
        raise DataError(
            f'{len(missing)} of {len(dataset)} images of the {split} data set ({kind}) have no '
            f'annotation, the first: {missing[0]["img_path"]} needs {missing[0]["seg_map_path"]}. '
            f'Put it there, remove the image, or set seg_map_suffix (now '
            f'{dataset.seg_map_suffix!r}) in {split}_dataloader.dataset'
        )
    return images


def _check_listed(dataset: Any, split: str, lacking: list[str]) -> None:
    """Check that a list of mmseg names images without their suffix, which it appends."""
    suffix = getattr(dataset, 'img_suffix', '')
    twice = [path for path in lacking if suffix and path.endswith(suffix * 2)]
    if twice and getattr(dataset, 'ann_file', ''):
        name = Path(twice[0]).name.removesuffix(suffix)
        raise DataError(
            f'{dataset.ann_file} (ann_file of the {split} data set) names {len(twice)} images with '
            f'their suffix, to which {suffix!r} is appended: write {name.removesuffix(suffix)} '
            f'instead of {name}, a name without suffix on each line'
        )


def check_categories(dataset: Any, classes: list[str], which: str, head: str) -> None:
    """Check that the annotation file has a data set's classes, in the same order.

    mmdet leaves out classes that the file lacks and numbers the others in the file's order,
    whatever their names.

    Raises:
        DataError: a class is missing from the file, or the order differs.
    """
    content = json.loads(Path(dataset.ann_file).read_text(encoding='utf-8'))
    there = {c['id']: c['name'] for c in content['categories']}
    unknown = [c for c in classes if c not in there.values()]
    if unknown:
        raise DataError(
            f'{dataset.ann_file} has no category {", ".join(unknown[:5])}, a class of {which}; it '
            f'has {", ".join(there.values())}: name those in metainfo=dict(classes=...) of the '
            f'data set, and their number in {head}.num_classes'
        )
    order = [there[i] for i in dataset.cat_ids]
    if order != classes:
        raise DataError(
            f'the classes of {which} are in another order than in {dataset.ann_file}: give '
            f'metainfo=dict(classes={tuple(order)})'
        )
