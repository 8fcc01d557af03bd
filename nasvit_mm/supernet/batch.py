"""Batches that several subnets see, whole or in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mmengine.structures import BaseDataElement

from nasvit_mm.errors import UsageError
from nasvit_mm.supernet.samplers.base import LARGEST, Choice


def copied(value: Any) -> Any:
    """Copy a batch so that what is set in the copy is not set in the original.

    Losses put masks as tensors, or boxes under other names, into the data samples they are given.
    Tensors and arrays are shared, for no loss writes into them.
    """
    if isinstance(value, BaseDataElement):
        out = value.clone()
        out.set_data({k: copied(v) for k, v in value.items()})
        return out
    if isinstance(value, dict):
        return {k: copied(v) for k, v in value.items()}
    if isinstance(value, list):
        return [copied(v) for v in value]
    return value


def first_images(data: Any, number: int) -> Any:
    """Return the first images of a batch as a data loader gives it."""
    if isinstance(data, dict):
        return {k: first_images(v, number) for k, v in data.items()}
    return data[:number]


def check_parts(images: int, of: int) -> None:
    """Check that a batch has an image for each of its parts.

    Raises:
        UsageError: it has fewer.
    """
    if images < of:
        raise UsageError(
            f'split_batch=True: a batch of {images} images (of this process) cannot be parted '
            f'among the {of} subnets beside the largest: a larger train_dataloader.batch_size, or '
            'split_batch=False'
        )


def shared_out(choices: Iterable[Choice], number: int) -> Iterator[tuple[Choice, slice | None]]:
    """Yield a step's subnets, and which images of the batch each sees: the largest subnet all
    (None), the others as even parts as can be.

    The last batch of an epoch may have fewer images than parts; all subnets see it whole.

    Args:
        number: of images.
    """
    choices = list(choices)
    of = sum(c.role != LARGEST for c in choices)
    part = 0
    for choice in choices:
        if choice.role == LARGEST or number < of:
            yield choice, None
        else:
            yield choice, slice(part * number // of, (part + 1) * number // of)
            part += 1


def part_of(data: Any, images: slice) -> Any:
    """Return some images of a batch as a model's preprocessor gives it: each of its values has one
    entry an image, or is None.
    """
    if isinstance(data, dict):
        return {k: part_of(v, images) for k, v in data.items()}
    return None if data is None else data[images]
