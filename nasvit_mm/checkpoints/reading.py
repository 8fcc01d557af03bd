"""The one reader of checkpoint files: weights and plain values, whichever program wrote them.

No code in a file is executed: classes that are not on a short list are refused by name.
"""

from __future__ import annotations

import argparse
import io
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO, NamedTuple
from unittest import mock

import numpy as np
import torch

from nasvit_mm.checkpoints.from_timm import SCHEME, timm_weights
from nasvit_mm.engine import CheckpointLoader, HistoryBuffer
from nasvit_mm.errors import SURE, UsageError, closest, first_line, shown_path, shown_value
from nasvit_mm.spaces import list_models

# Classes that occur in other programs' files, with the plain type that is loaded instead (they
# hold training options that nothing here needs), and numpy's scalars and arrays, which scores,
# losses and mmengine's log history may be made of.
_SCALAR = np.float64(0).__reduce__()[0]


def _statistic(owner: Any, name: str) -> Any:
    """Stand in for ``getattr``, by which a log history names its own methods, and no others."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise UnpicklingError(f'GLOBAL getattr of {owner!r}')
    return getattr(owner, name)


HARMLESS = [
    argparse.Namespace,  # nothing but attributes: options of the training
    (_statistic, 'builtins.getattr'),
    (_statistic, '__builtin__.getattr'),
    (OrderedDict, 'yacs.config.CfgNode'),
    (_SCALAR, 'numpy.core.multiarray.scalar'),
    (_SCALAR, 'numpy._core.multiarray.scalar'),
    (np.ndarray, 'numpy.ndarray'),
    (np.ndarray(0).__reduce__()[0], 'numpy.core.multiarray._reconstruct'),
    (np.ndarray(0).__reduce__()[0], 'numpy._core.multiarray._reconstruct'),
    (HistoryBuffer, 'mmengine.logging.history_buffer.HistoryBuffer'),
    np.dtype,
    *(getattr(np.dtypes, f'{name}DType') for name in ('Float32', 'Float64', 'Int64', 'Bool')),
]
FORBIDDEN = re.compile(r'(?:GLOBAL|class|function) ([\w.]+)')  # in torch's message


class Checkpoint(NamedTuple):
    """The content of a checkpoint file.

    Attributes:
        content: everything in the file.
        state: its weights: the entry ``state_dict`` or ``model`` if it has one, else the content.
        meta: its description of itself; empty if it has none.
    """

    content: Mapping[str, Any]
    state: Mapping[str, Any]
    meta: Mapping[str, Any]


@contextmanager
def weights_only() -> Iterator[None]:
    """Make every ``torch.load`` inside, mmengine's too, load tensors and plain values only.

    mmengine tries it by a list of its own, which holds ``getattr``, and then loads whatever the
    file says.  What processes of a run hand each other, as the results of a validation, is pickled,
    and its tensors are loaded as ever.
    """
    with (
        mock.patch('torch.load', _load_weights_only),
        mock.patch('torch.storage._load_from_bytes', _load_pickled_storage),
    ):
        yield


_load = torch.load


def _load_pickled_storage(content: bytes) -> Any:
    return _load(io.BytesIO(content), weights_only=False)


def _load_weights_only(file: Any, *args: Any, **kwargs: Any) -> Any:
    """Load as ``torch.load`` does, by the short list alone.

    Raises:
        UsageError: the file is damaged, or holds an object of another class; the message names it.
    """
    name = file if isinstance(file, (str, Path)) else 'the file'
    damage = find_damage(file)
    if damage:
        raise UsageError(
            f'{name} is damaged ({damage}): copy it again from where it is whole, or take another '
            'checkpoint; --resume without a file takes the newest whole one'
        )
    others = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(HARMLESS)
    try:
        return _load(file, *args, **dict(kwargs, weights_only=True))
    except UnpicklingError as error:
        found = FORBIDDEN.search(str(error))
        if found is None:
            raise
        raise UsageError(
            f'{name} holds an object of {found[1]}, which only running code of the file would '
            'make; if you trust it, save its weights alone where it comes from: torch.save('
            "dict(state_dict=model.state_dict()), 'weights.pth')"
        ) from error
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(others)


def find_damage(file: str | Path | BinaryIO) -> str:
    """Compare the parts of a checkpoint with the checksums in it, which torch writes and ignores.

    Returns:
        What is wrong with the file; empty if nothing is, or if it has no checksums: one of another
        form than torch's zip, or of its time before 1.6.
    """
    if not zipfile.is_zipfile(file):
        return ''
    try:
        with zipfile.ZipFile(file) as parts:
            part = parts.testzip()
    except Exception as error:  # what is read may be anything by now
        return first_line(error)
    finally:
        if not isinstance(file, (str, Path)):
            file.seek(0)
    return f'its part {part} does not match its checksum' if part else ''


def check_checkpoint_exists(path: str | Path) -> None:
    """Check that a local path exists; URLs, timm's names and mmengine's schemes pass unchecked.

    Raises:
        UsageError: no such file; the message lists the checkpoints in its folder, and names of
            models that are close.
    """
    if '://' in str(path) or Path(path).is_file():
        return
    folder = Path(path).parent
    there = sorted(p.name for p in folder.glob('*.pth')) if folder.is_dir() else []
    raise UsageError(
        f'checkpoint {shown_path(path)} does not exist{closest(path, list_models(), SURE)}; '
        + (
            f'there are: {", ".join(there)}'
            if there
            else f'{folder} holds no *.pth; tools/train.py writes them to its work dir'
        )
    )


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of any origin: ours, mmengine's, the authors', timm's.

    Args:
        path: local file (``.safetensors`` too), URL, ``timm://NAME.TAG``, or a path with one of
            mmengine's schemes.

    Raises:
        UsageError: no such file, not a checkpoint, a checkpoint without weights, or one with
            classes that are not known to be harmless; the message names them.
    """
    check_checkpoint_exists(path)
    if str(path).startswith(SCHEME):
        state = timm_weights(str(path))
        return Checkpoint(state, state, {})
    try:
        if Path(path).suffix == '.safetensors':
            from safetensors.torch import load_file

            content = load_file(path)
        else:
            with weights_only():
                content = CheckpointLoader.load_checkpoint(
                    str(path), map_location='cpu', logger='silent'
                )
    except UsageError:
        raise
    except Exception as error:  # the unpickler may raise anything on a file of another kind
        raise UsageError(
            f'{path} cannot be read as a checkpoint: {type(error).__name__}: {first_line(error)}'
        ) from error
    if not isinstance(content, Mapping):
        raise UsageError(
            f'{path} cannot be read as a checkpoint: it holds a {type(content).__name__}, expected '
            'a mapping with the weights'
        )
    state = weights_in(content)
    if not any(torch.is_tensor(value) for value in state.values()):
        raise UsageError(f'{path} holds no weights; expected a checkpoint of tools/train.py')
    _check_weights(path, content, state)
    meta = content.get('meta')
    return Checkpoint(content, state, meta if isinstance(meta, Mapping) else {})


def _check_weights(path: str | Path, content: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Check that weights are numbers, under names.

    Raises:
        UsageError: names the entry, and what it is.
    """
    for key, value in state.items():
        if not isinstance(key, str):
            raise UsageError(f'{path}: the weights have an entry named {key!r}, expected texts')
        if state is not content and not torch.is_tensor(value):
            raise UsageError(
                f'{path}: the entry {key} of the weights is {shown_value(value)} '
                f'({type(value).__name__}), expected a tensor'
            )
        if torch.is_tensor(value) and value.is_meta:
            raise UsageError(
                f'{path}: the entry {key} of the weights has a shape and no values (it was saved '
                "on the device 'meta'): save the model after its weights were loaded"
            )
    broken = find_nan(state)
    if broken:
        raise UsageError(
            f'{path}: {len(broken)} of the {len(state)} entries of the weights hold NaN, the first '
            f'is {broken[0]}: its training diverged; take an earlier checkpoint'
        )


def find_nan(state: Mapping[str, Any]) -> list[str]:
    """Return the names of the tensors that hold a NaN."""
    return [
        key
        for key, value in state.items()
        if torch.is_tensor(value) and value.is_floating_point() and bool(value.isnan().any())
    ]


def weights_in(content: Mapping[str, Any], *first: str) -> Mapping[str, Any]:
    """Return the weights in a checkpoint's content, or the content if it is the weights itself.

    Args:
        first: keys to try before ``state_dict`` and ``model``, e.g. ``'model_ema'``.
    """
    for key in (*first, 'state_dict', 'model'):
        if isinstance(content.get(key), Mapping):
            return content[key]
    return content


def unlike(wanted: Mapping[str, Any], state: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what of a state is no tensor of the shape that is wanted, and what is none of its
    kind: an integer that stands for a fraction is quantised, and needs a scale.

    Returns:
        Keys, each with what differs, ``'shape'`` or ``'dtype'``; all of the former come first.
    """
    both = {k: (v, state[k]) for k, v in wanted.items() if k in state}
    shapes = [k for k, (v, found) in both.items() if getattr(found, 'shape', None) != v.shape]
    kinds = [
        k
        for k, (v, found) in both.items()
        if torch.is_tensor(found) and v.is_floating_point() and not found.is_floating_point()
    ]
    return [*((k, 'shape') for k in shapes), *((k, 'dtype') for k in kinds)]
