"""The one reader of checkpoint files: weights and plain values, whoever wrote them.

Nothing in a file is run: classes that are not on a short list are refused by name.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from nasvit_mm.errors import UsageError, first_line, shown_path

# Classes inside the files of others, and the plain type that is loaded in their place (they hold
# training options that nothing here needs); numpy's numbers, which scores, losses and the log
# history of mmengine can be.
_SCALAR = np.float64(0).__reduce__()[0]
HARMLESS = [
    (OrderedDict, 'yacs.config.CfgNode'),
    (_SCALAR, 'numpy.core.multiarray.scalar'),
    (_SCALAR, 'numpy._core.multiarray.scalar'),
    (np.ndarray, 'numpy.ndarray'),
    (np.ndarray(0).__reduce__()[0], 'numpy.core.multiarray._reconstruct'),
    (np.ndarray(0).__reduce__()[0], 'numpy._core.multiarray._reconstruct'),
    HistoryBuffer,
    np.dtype,
    *(getattr(np.dtypes, f'{name}DType') for name in ('Float32', 'Float64', 'Int64', 'Bool')),
]
FORCED = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'  # read by torch.load, whatever its caller asks for


class Checkpoint(NamedTuple):
    """What a file holds.

    Attributes:
        content: all of it.
        state: its weights: of ``state_dict`` or ``model`` where it has one, else the file itself.
        meta: what it says of itself; empty where it says nothing.
    """

    content: Mapping[str, Any]
    state: Mapping[str, Any]
    meta: Mapping[str, Any]


@contextmanager
def weights_only() -> Iterator[None]:
    """Have every ``torch.load`` inside load tensors and plain values only, mmengine's too."""
    before = os.environ.get(FORCED)
    os.environ[FORCED] = '1'
    try:
        with torch.serialization.safe_globals(HARMLESS):
            yield
    finally:
        if before is None:
            os.environ.pop(FORCED, None)
        else:
            os.environ[FORCED] = before


def check_checkpoint_exists(path: str | Path) -> None:
    """Check a local path; URLs and mmengine's schemes pass.

    Raises:
        UsageError: no such file; names those that are in its folder.
    """
    if '://' in str(path) or Path(path).is_file():
        return
    folder = Path(path).parent
    there = sorted(p.name for p in folder.glob('*.pth')) if folder.is_dir() else []
    raise UsageError(
        f'checkpoint {shown_path(path)} does not exist; '
        + (
            f'there are: {", ".join(there)}'
            if there
            else f'{folder} holds no *.pth; tools/train.py writes them to its work dir'
        )
    )


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of whatever origin: ours, mmengine's, the authors', timm's.

    Args:
        path: local file (``.safetensors`` too), URL, or a scheme of mmengine's CheckpointLoader.

    Raises:
        UsageError: no such file, not a checkpoint, one that holds no weights, or one with classes
            that are not known to be harmless; they are named.
    """
    check_checkpoint_exists(path)
    try:
        if Path(path).suffix == '.safetensors':
            from safetensors.torch import load_file

            content = load_file(path)
        else:
            with weights_only():
                content = CheckpointLoader.load_checkpoint(
                    str(path), map_location='cpu', logger='silent'
                )
    except Exception as error:  # whatever the unpickler meets in a file that is something else
        raise UsageError(
            f'{path} cannot be read as a checkpoint ({type(error).__name__}: {first_line(error)})'
        ) from error
    if not isinstance(content, Mapping):
        raise UsageError(
            f'{path} cannot be read as a checkpoint: it holds a {type(content).__name__}, expected '
            'a mapping with the weights'
        )
    state = weights_in(content)
    if not any(torch.is_tensor(value) for value in state.values()):
        raise UsageError(f'{path} holds no weights; expected a checkpoint of tools/train.py')
    meta = content.get('meta')
    return Checkpoint(content, state, meta if isinstance(meta, Mapping) else {})


def weights_in(content: Mapping[str, Any], *first: str) -> Mapping[str, Any]:
    """Return the weights inside a checkpoint's content, or the content where it is the weights.

    Args:
        first: keys to look under before ``state_dict`` and ``model``, e.g. ``'model_ema'``.
    """
    for key in (*first, 'state_dict', 'model'):
        if isinstance(content.get(key), Mapping):
            return content[key]
    return content
