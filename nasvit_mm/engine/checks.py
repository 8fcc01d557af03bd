"""Mistakes in the data, found before or when they would do harm, with file and remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from torch import nn

from nasvit_mm.engine.errors import DataError
from nasvit_mm.engine.models import task_model, unwrapped
from nasvit_mm.registry import HOOKS


@HOOKS.register_module()
class CheckData(Hook):
    """Check the data sets of a run, and have them name a picture that cannot be read.

    Before the run: every data set (validation too, which else fails after hours) has an
    annotation for every picture, or a picture for every annotation, the same classes, and the head
    as many.  With every batch: all labels are classes of the head or ignored.  torch's own message
    for a wrong label is an index assertion on the GPU, and mmseg's metric counts it in silence.

    Raises:
        DataError: names what is wrong, and what to do.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Any) -> None:
        first: dict[str, tuple] = {}
        for split in ('train', 'val', 'test'):
            loop = getattr(runner, f'_{split}_loop')
            if hasattr(loop, 'dataloader'):  # else a config: this run does not use it
                for dataset in _leaves(loop.dataloader.dataset):
                    _check_classes(dataset, split, runner.model)
                    _check_same_classes(dataset, split, first)
                    if is_main_process():  # one process reads the folders of all
                        _check_files(dataset, split)
                    if hasattr(dataset, 'pipeline'):
                        dataset.pipeline = _Named(dataset.pipeline)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        _check_labels(data_batch, runner.model)

    before_val_iter = before_train_iter
    before_test_iter = before_train_iter


class _Named:
    """A pipeline of transforms; what it cannot read, it names."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def __call__(self, data: Any) -> Any:
        files = [str(data[key]) for key in ('img_path', 'seg_map_path') if data.get(key)]
        try:
            return self.pipeline(data)
        except (OSError, SyntaxError, AssertionError) as error:  # of PIL, and mmcv
            raise DataError(
                f'a file of these cannot be read: {", ".join(files)} ({error}); '
                'replace it or take the picture out of the data set'
            ) from error

    def __getattr__(self, name: str) -> Any:
        if name == 'pipeline':  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.pipeline, name)


def _leaves(dataset: Any) -> Iterator[Any]:
    """The data sets inside wrappers (RepeatDataset, ConcatDataset)."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner == [None]:
        yield dataset
    else:
        for one in inner:
            yield from _leaves(one)


def _head(model: nn.Module) -> tuple[str, nn.Module] | None:
    """Key and module of the head that knows the classes (of several the last, whose output is the
    prediction), or of a classifier itself.
    """
    inner = task_model(model)
    prefix = 'model' if inner is unwrapped(model) else 'model.model'
    for name in ('decode_head', 'roi_head.bbox_head', 'bbox_head', ''):
        head = inner
        for part in filter(None, name.split('.')):
            head = getattr(head, part, None)
        head = head[-1] if isinstance(head, nn.ModuleList) else head
        if hasattr(head, 'num_classes'):
            return '.'.join(filter(None, (prefix, name))), head
    return None


def _check_classes(dataset: Any, split: str, model: nn.Module) -> None:
    found, classes = _head(model), getattr(dataset, 'metainfo', {}).get('classes')
    if found is None or classes is None:
        return
    name, head = found
    kind = type(dataset).__name__
    if len(classes) != head.num_classes:
        raise DataError(
            f'the {split} data set ({kind}) has {len(classes)} classes, the head '
            f'num_classes={head.num_classes}; set {name}.num_classes={len(classes)}, or '
            'name the classes of your data in metainfo=dict(classes=...) of the data set'
        )
    if hasattr(dataset, 'cat_ids') and not getattr(dataset, 'backend_args', None):
        _check_categories(dataset, list(classes), f'the {split} data set ({kind})', name)


def _check_same_classes(dataset: Any, split: str, first: dict[str, tuple]) -> None:
    """Labels are numbers: data sets of other classes would be trained, or judged, by wrong ones."""
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


def _check_categories(dataset: Any, classes: list[str], which: str, head: str) -> None:
    """mmdet leaves out classes that the file does not have, and numbers the others in the order of
    the file, whatever names they then go by.
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


def _check_files(dataset: Any, split: str) -> None:
    if getattr(dataset, 'backend_args', None):
        return  # not on this machine's disk
    kind = type(dataset).__name__
    if not hasattr(dataset, 'get_data_info'):
        return  # a folder of pictures by class
    if not len(dataset):
        raise DataError(
            f'the {split} data set ({kind}) has no picture with annotations; classes: '
            f'{", ".join(dataset.metainfo.get("classes", ()))}'
        )
    missing = []
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        if info.get('seg_map_path') and not Path(info['seg_map_path']).is_file():
            missing.append(info)
        elif 'instances' in info and not Path(info['img_path']).is_file():
            raise DataError(
                f'{info["img_path"]} does not exist, though the annotations of the '
                f'{split} data set ({kind}, {dataset.ann_file}) name it'
            )
    if missing:
        raise DataError(
            f'{len(missing)} of {len(dataset)} pictures of the {split} data set ({kind}) have no '
            f'annotation, the first: {missing[0]["img_path"]} needs {missing[0]["seg_map_path"]}. '
            f'Put it there, remove the picture, or give seg_map_suffix (now '
            f'{dataset.seg_map_suffix!r}) in {split}_dataloader.dataset'
        )


def _check_labels(batch: Any, model: nn.Module) -> None:
    found = _head(model)
    samples = batch.get('data_samples', ()) if isinstance(batch, dict) else ()
    if found is None:
        return
    _, head = found
    for sample in samples:
        labels = getattr(sample, 'gt_sem_seg', None)
        if labels is None:
            continue
        values, ignored = labels.data, getattr(head, 'ignore_index', 255)
        wrong = values[(values != ignored) & ((values < 0) | (values >= head.num_classes))]
        if wrong.numel():
            path = sample.metainfo.get('seg_map_path') or sample.metainfo.get('img_path')
            reduced = sample.metainfo.get('reduce_zero_label')
            found = ', '.join(map(str, torch.unique(wrong)[:5].tolist()))
            remedy = 'Correct the file, or the number of classes.'
            if not reduced:
                remedy += (
                    ' If the files count from 1, with 0 for unlabelled: reduce_zero_label='
                    'True in the data set and in LoadAnnotations.'
                )
            raise DataError(
                f'{path} holds label {found}{" (value - 1, by reduce_zero_label)" * bool(reduced)};'
                f' the head knows 0 to {head.num_classes - 1}, and {ignored} is ignored. {remedy}'
            )
