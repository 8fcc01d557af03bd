"""Reading official checkpoint files safely, and writing our own."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasvit_mm.spaces import Arch, Space

# Classes of other packages inside official files, and the plain type that is loaded in their place
# (they hold training options that nothing here needs, and no foreign code runs); numpy's numbers,
# which scores of memory banks can be.
_SCALAR = np.float64(0).__reduce__()[0]
STAND_INS = [
    (OrderedDict, 'yacs.config.CfgNode'),
    (_SCALAR, 'numpy.core.multiarray.scalar'),
    (_SCALAR, 'numpy._core.multiarray.scalar'),
    np.dtype,
    np.dtypes.Float32DType,
    np.dtypes.Float64DType,
    np.dtypes.Int64DType,
]


def load_official(path: str | Path) -> Mapping[str, Any]:
    """The content of an official checkpoint, read without running code from the file.

    ``.safetensors`` files too, as timm's are.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint, or it holds objects of classes that are not known to be
            harmless; they are named.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint not found: {path}')
    try:
        if path.suffix == '.safetensors':  # timm's
            from safetensors.torch import load_file

            content = load_file(path)
        else:
            with torch.serialization.safe_globals(STAND_INS):
                content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(f'{path} cannot be read as a checkpoint: {_first_line(error)}') from error
    if not isinstance(content, Mapping):
        raise ValueError(
            f'{path} holds a {type(content).__name__}, expected a mapping with the weights'
        )
    return content


def save_weights(
    path: str | Path,
    state: Mapping[str, torch.Tensor],
    space: Space,
    arch: Arch | None,
    **meta: Any,
) -> None:
    """Write ``dict(state_dict=..., meta=...)`` of tensors and plain types, whole or not at all.

    ``meta`` carries the space, the architecture (None for a supernet) and what else is given, so
    that the file says what it is.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = dict(
        state_dict=dict(state),
        meta=dict(space=space.to_dict(), arch=arch and arch.to_dict(), **meta),
    )
    draft = path.with_name(path.name + '.part')
    torch.save(content, draft)
    os.replace(draft, path)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
