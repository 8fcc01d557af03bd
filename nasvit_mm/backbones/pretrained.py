"""``init_cfg=dict(type='Pretrained', ...)``: read a backbone, refuse what does not fit."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import nn


def load_pretrained(module: nn.Module, filename: str, prefix: str | None = None) -> None:
    """Load a checkpoint into a backbone.

    Args:
        filename: path or URL that mmengine's CheckpointLoader takes.
        prefix: keep only keys that begin with it, and cut it off.  None: ``'backbone.'`` where the
            file has such keys, ``'model.backbone.'`` (of a supernet's training) where it has
            those, else none.

    What is new in a dense model (taps; of ViTAS the pyramid) may be absent from the file; anything
    else must be there in the right shape.

    Raises:
        ValueError: keys are missing or of another shape; says what the file looks like and what
            the backbone expects.
    """
    content = CheckpointLoader.load_checkpoint(filename, map_location='cpu', logger='silent')
    state = content
    for key in ('state_dict', 'model'):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
            break
    if prefix is None:
        prefix = next(
            (p for p in ('backbone.', 'model.backbone.') if any(k.startswith(p) for k in state)),
            None,
        )
    if prefix:
        prefix = prefix.rstrip('.') + '.'
        state = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    wanted = module.state_dict()
    new = tuple(getattr(module, 'new_weights', ()))
    missing = [k for k in wanted if k not in state and not k.startswith(new)]
    shapes = [
        f'{k}: file {tuple(state[k].shape)}, model {tuple(v.shape)}'
        for k, v in wanted.items()
        if k in state and torch.is_tensor(state[k]) and state[k].shape != v.shape
    ]
    if missing or shapes:
        arch = getattr(module, 'arch', None)
        raise ValueError(
            f'{filename} does not fit {type(module).__name__} {arch}'
            + (f' under the prefix {prefix!r}' if prefix else '')
            + (
                f'; {len(missing)} of {len(wanted)} entries are missing, the first: {missing[:3]}'
                if missing
                else ''
            )
            + (f'; {len(shapes)} have another shape: {"; ".join(shapes[:3])}' if shapes else '')
            + '. Expected the weights of this very architecture (tools/convert_checkpoint.py '
            '--arch writes them from an official or a supernet checkpoint)'
        )
    module.load_state_dict({k: v for k, v in state.items() if k in wanted}, strict=False)
    fresh = [k for k in wanted if k not in state]
    parts = ', '.join(sorted({k.split('.')[0] for k in fresh}))
    print_log(
        f'{type(module).__name__} loaded from {filename}'
        + (f'; new: {len(fresh)} tensors of {parts}' if fresh else ''),
        logger='current',
    )
