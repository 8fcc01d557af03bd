"""The two parts of a data set: one trains the supernet, the other evaluates subnets in a search."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from nasvit_mm.errors import UsageError
from nasvit_mm.registry import DATASETS

TRAIN, HELD_OUT = 'train', 'held_out'


@DATASETS.register_module()
def SplitDataset(dataset: Mapping, part: str, every: int = 20) -> Any:  # noqa: N802
    """Return one of the two parts of a data set: one image in ``every`` is held out of training.

    The validation images are reserved for the final metric: a search that selects among thousands
    of networks on them has seen them. An image's part depends on a checksum of its file name, so it
    never changes, whatever is filtered out or added.

    Args:
        dataset: config of an mmengine data set, with the pipeline of this part.
        part: ``'train'`` or ``'held_out'``.
        every: 20 holds out about 5 %; 40 holds out one half of those, and no others.

    Returns:
        The data set, reduced to that part.

    Raises:
        UsageError: the part is unknown or empty, or the data set is a wrapper, which cannot be
            shortened.
    """
    if part not in (TRAIN, HELD_OUT):
        raise UsageError(f'SplitDataset: part = {part!r}, allowed: {TRAIN!r}, {HELD_OUT!r}')
    if every < 2:
        raise UsageError(f'SplitDataset: every = {every}, expected at least 2')
    out = DATASETS.build(dataset)
    out.full_init()
    names = (Path(out.get_data_info(i)['img_path']).name for i in range(len(out)))
    indices = [
        i
        for i, name in enumerate(names)
        if (crc32(name.encode()) % every == 0) == (part == HELD_OUT)
    ]
    if not indices:
        raise UsageError(
            f'SplitDataset: none of {len(out)} images is left in the part {part!r} '
            f'(every = {every})'
        )
    try:
        out.get_subset_(indices)
    except NotImplementedError as error:
        raise UsageError(
            f'SplitDataset around a {type(out).__name__}, which cannot be shortened: '
            'put it inside, around each data set'
        ) from error
    return out
