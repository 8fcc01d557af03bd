"""Batches that several subnets see."""

from __future__ import annotations

from typing import Any

from mmengine.structures import BaseDataElement


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
