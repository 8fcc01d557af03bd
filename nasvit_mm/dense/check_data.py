"""Mistakes in the data, found before or when they would do harm, with file and remedy."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from torch import nn

from nasvit_mm.data import (
    ClassifiedImages,
    NamedPipeline,
    PassCache,
    Problems,
    SharedImages,
    check_categories,
    check_files,
    check_masks_without_images,
    check_same_classes,
    inner_datasets,
    keep_wide_labels,
    look_at_boxes,
    look_at_label_maps,
    reads_coco,
)
from nasvit_mm.dense.check_inputs import check_image_channels
from nasvit_mm.dense.check_labels import check_one_class, compare_with_head
from nasvit_mm.dense.kinds import bare_model, kind_of
from nasvit_mm.errors import DataError
from nasvit_mm.registry import HOOKS
from nasvit_mm.runtime import unwrapped


@HOOKS.register_module()
class CheckData(Hook):
    """Check the data sets of a run, and have them name an image that cannot be read.

    Before the run: every data set (validation too, which else fails after hours) has an
    annotation for every image, or an image for every annotation, the same classes, and the head
    as many.  With every batch: images have the channels that the backbone takes, and all labels are
    classes of the head or ignored.  torch's own message
    for a wrong label is an index assertion on the GPU, and mmseg's metric counts it in silence.

    Args:
        contents: whether a sample of the masks is looked at before the run.

    Raises:
        DataError: names what is wrong, and what to do.
    """

    priority = 'VERY_HIGH'

    def __init__(self, contents: bool = True) -> None:
        self.contents = contents

    def before_run(self, runner: Any) -> None:
        keep_wide_labels()
        first: dict[str, tuple] = {}
        problems, shared = Problems(), SharedImages()
        cache = PassCache(getattr(runner, 'work_dir', None), keeps=is_main_process())
        for split in ('train', 'val', 'test'):
            loop = getattr(runner, f'_{split}_loop')
            if hasattr(loop, 'dataloader'):  # else a config: this run does not use it
                for dataset in inner_datasets(loop.dataloader.dataset):
                    _check_classes(dataset, split, runner.model, problems, cache)
                    check_same_classes(dataset, split, first)
                    if is_main_process():  # one process reads the folders of all
                        shared.add(split, check_files(dataset, split))
                        if self.contents:
                            _look_at(dataset, split, runner.model, problems, cache)
                    if hasattr(dataset, 'pipeline'):
                        _check_crop(dataset, split, runner.model, problems)
                        dataset.pipeline = NamedPipeline(dataset.pipeline)
        shared.warn(problems, cache, self.contents)
        problems.log_warnings()
        problems.raise_if_any()
        found = _head(runner.model)
        if found:
            check_one_class(found[1], found[0])
            if found[1].num_classes == 1 and kind_of(bare_model(runner.model)).classifies:
                raise DataError(
                    f'{found[0]}.num_classes=1: a softmax of one class is always 1, so nothing is '
                    'learnt; give the images of at least two classes a folder each'
                )

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        check_image_channels(data_batch, runner.model)
        check_labels(data_batch, runner.model)

    before_val_iter = before_train_iter
    before_test_iter = before_train_iter


def _head(model: nn.Module) -> tuple[str, nn.Module] | None:
    """Return config key and module of the head that knows the classes; None without one."""
    inner = bare_model(model)
    found = kind_of(inner).head(inner)
    if found is None:
        return None
    prefix = 'model' if inner is unwrapped(model) else 'model.model'
    name, head = found
    return f'{prefix}.{name}' if name else prefix, head


def _check_classes(
    dataset: Any, split: str, model: nn.Module, problems: Problems, cache: PassCache
) -> None:
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
        check_categories(dataset, list(classes), split, name, problems, cache)


def _look_at(
    dataset: Any, split: str, model: nn.Module, problems: Problems, cache: PassCache
) -> None:
    """Look at masks or boxes, and compare the labels of masks with the head.

    COCO JSON is looked at before anything is built; images in a folder per class say nothing else.
    """
    check_masks_without_images(dataset, split, problems)
    counts, found = look_at_label_maps(dataset, split, problems, cache), _head(model)
    others = (
        reads_coco(type(dataset)) or isinstance(dataset, ClassifiedImages) or _unlabelled(dataset)
    )
    if counts is None and not others:
        if not look_at_boxes(dataset, split, problems, cache):
            problems.warn(
                f'the annotations of the {split} data set ({type(dataset).__name__}) are not '
                'looked at: they are no label maps of mmseg, no boxes of mmdet, or not on this disk'
            )
    if counts is None or found is None:
        return
    name, head = found
    check_one_class(head, name, counts)
    if hasattr(head, 'ignore_index'):
        compare_with_head(counts, dataset.metainfo, head, name, problems)


def _unlabelled(dataset: Any) -> bool:
    """Return whether a data set of mmseg has images alone."""
    return hasattr(dataset, 'seg_map_suffix') and not dataset.data_prefix.get('seg_map_path')


def _check_crop(dataset: Any, split: str, model: nn.Module, problems: Problems) -> None:
    """Warn where images are cropped to another size than batches are padded to."""
    size = getattr(getattr(bare_model(model), 'data_preprocessor', None), 'size', None)
    for step in getattr(dataset.pipeline, 'transforms', ()):
        crop = getattr(step, 'crop_size', None)
        if split == 'train' and type(step).__name__ == 'RandomCrop' and size and crop:
            if tuple(crop) != tuple(size):
                problems.warn(
                    f'the training images are cropped to {tuple(crop)} (height, width), and '
                    f'batches padded to {tuple(size)}: set model.data_preprocessor.size='
                    f'{tuple(crop)}'
                )


def check_labels(batch: Any, model: nn.Module) -> None:
    """Check that all labels of a batch of segmentation are classes of the head, or ignored.

    Raises:
        DataError: names the file, the label and a remedy.
    """
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
