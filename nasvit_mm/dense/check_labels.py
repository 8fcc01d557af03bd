"""Labels that masks hold, compared with the classes that a head knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from nasvit_mm.data import LabelCounts, Problems, some
from nasvit_mm.errors import DataError

FEW = 30  # classes, each of which a sample of some hundred masks is likely to hold
ONE_CHANNEL = (
    'two classes of which one is the background: write 0 for background and 1 for the class, name '
    "both in metainfo=dict(classes=('background', ...)), and set num_classes=2, or num_classes=2, "
    "out_channels=1, threshold=0.3, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True) "
    'for a single output, in the head'
)


def check_one_class(head: nn.Module, name: str, counts: LabelCounts | None = None) -> None:
    """Check that a head that decides for each pixel or image has more than one class.

    Args:
        head: with ``num_classes``.
        name: its key in the config.
        counts: labels that occur, for the message.

    Raises:
        DataError: it has one; the message says what to set.
    """
    if head.num_classes != 1 or not hasattr(head, 'loss_decode'):
        return
    why = (
        'the metric counts one class, while a sigmoid predicts two'
        if getattr(head.loss_decode, 'use_sigmoid', False)
        else 'a softmax of one class is always 1, so its loss is 0 and nothing is learnt'
    )
    labels = ''
    if counts and counts.pixels:
        found = label_text(counts, getattr(head, 'ignore_index', None))
        labels = f' (in {counts.looked} masks there are labels {found})'
    raise DataError(f'{name}.num_classes=1: {why}{labels}. It takes {ONE_CHANNEL}')


def label_text(counts: LabelCounts, ignored: int | None) -> str:
    """Return labels and their pixels: ``0 (12 pixels), 255 (3 pixels, ignored)``."""
    return some(
        [
            f'{label} ({n} pixels{", ignored" * (label == ignored)})'
            for label, n in sorted(counts.pixels.items())
        ],
        10,
    )


def class_of(label: int, meta: Mapping[str, Any]) -> int:
    """Return the class that a loader makes of a label: reduce_zero_label, then the label map."""
    if meta.get('reduce_zero_label'):
        label = 255 if label in (0, 255) else label - 1
    return (meta.get('label_map') or {}).get(label, label)


def compare_with_head(
    counts: LabelCounts, meta: Mapping[str, Any], head: nn.Module, name: str, problems: Problems
) -> None:
    """Find labels that are no class, classes that never occur, and sets without labels.

    In training, labels of a single class among several are refused: the model would learn to say
    always the same.  That some classes never occur is a warning, for a rare class is rare.

    Args:
        counts: labels as the files hold them.
        meta: of the data set: ``classes``, ``reduce_zero_label``, ``label_map``.
        head: with ``num_classes`` and ``ignore_index``.
        name: its key in the config.
    """
    number, ignored = head.num_classes, getattr(head, 'ignore_index', 255)
    classes = list(map(str, meta.get('classes') or range(number)))
    if not counts.pixels:
        return  # what could be read says nothing; it is a problem already
    pixels = dict.fromkeys(range(number), 0)
    wrong = []
    for label, found in sorted(counts.pixels.items()):
        index = class_of(label, meta)
        if index == ignored:
            continue
        if index in pixels:
            pixels[index] += found
        else:
            wrong.append(label)
    occurring = label_text(counts, ignored)
    there = [i for i in pixels if pixels[i]]
    never = [classes[i] for i in pixels if not pixels[i] and i != ignored]
    where = f'{counts.looked} of {counts.total} masks of the {counts.split} data set'

    if wrong:
        reduced = ' (less 1, by reduce_zero_label)' * bool(meta.get('reduce_zero_label'))
        problems.add(
            'labels that are no class',
            f'{some(wrong)}{reduced} in {where}, the first in {counts.first[wrong[0]]}; the head '
            f'knows 0 to {number - 1}, and {ignored} is ignored; there are labels {occurring}',
            _remedy_for(wrong, counts, meta, number),
        )
    if not there and not wrong:
        line = f'{where} hold no pixel of any class, only {occurring}'
        if counts.split == 'train':
            problems.add(
                'training set without labels', line, 'Write the classes 0, 1, .. into the masks.'
            )
        else:
            problems.warn(f'{line}: its metric will be undefined (nan)')
    elif len(there) == 1 and number > 1 and counts.split == 'train' and not wrong:
        problems.add(
            'data set of which only one class ever occurs',
            f'in {where} never occurs: {some(never)}; there are labels {occurring}',
            'Write the classes as 0, 1, .. in the order of metainfo.classes '
            f'({", ".join(f"{i}: {c}" for i, c in enumerate(classes[:3]))}'
            f'{", .." * (number > 3)}): of masks of 0 and 255, mask // 255. If 255 '
            'means a class, it is not to be ignored.',
        )
    elif never and counts.split == 'train':
        if counts.looked == counts.total or len(never) > number / 2:  # else by chance
            problems.warn(f'in {where} never occurs: {some(never)}; there are labels {occurring}')
    if meta.get('reduce_zero_label'):
        _check_reduced(counts, classes, pixels, where, problems)
    if number > 255 and ignored == 255 and counts.split == 'train':
        problems.warn(
            f'class 255 ({classes[255]}) of {number} is ignored, for {name}.ignore_index=255; to '
            f'train it set {name}.ignore_index, the ignore_index of RandomCrop and of the metric, '
            'and model.data_preprocessor.seg_pad_val to 65535'
        )


def _check_reduced(
    counts: LabelCounts,
    classes: Sequence[str],
    pixels: Mapping[int, int],
    where: str,
    problems: Problems,
) -> None:
    number = len(pixels)
    if number > 255:
        problems.add(
            'data set with reduce_zero_label and more than 255 classes',
            f'{where}: {number} classes',
            'Write the labels minus one into the files, and leave reduce_zero_label out.',
        )
    elif (
        counts.pixels.get(0)
        and not pixels[number - 1]
        and (counts.looked == counts.total or number <= FEW)  # of many, a sample may lack one
    ):
        problems.warn(
            f'with reduce_zero_label the last class ({classes[-1]}) never occurs in {where}, and '
            f'{counts.pixels[0]} pixels of label 0 are dropped: if 0 is a class in the files, '
            'leave reduce_zero_label out'
        )


def _remedy_for(
    wrong: Sequence[int], counts: LabelCounts, meta: Mapping[str, Any], number: int
) -> str:
    largest = max(wrong)
    if meta.get('reduce_zero_label'):
        return (
            'reduce_zero_label takes 1 off each label. Correct the files, or the number of classes.'
        )
    if largest == number and counts.pixels.get(0):
        return (
            'If the files count from 1, with 0 for unlabelled: reduce_zero_label=True in the '
            f'data set; otherwise there are {number + 1} classes: name them and set num_classes.'
        )
    if len(counts.pixels) <= number:
        return (
            f'Write the classes as 0 to {number - 1}, in the order of metainfo.classes '
            f'(now {", ".join(map(str, sorted(counts.pixels)))}).'
        )
    return 'Correct the files, or metainfo.classes and num_classes.'
