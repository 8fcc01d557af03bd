"""``init_cfg=dict(type='Pretrained', ...)`` for our backbones: refuses weights that do not fit."""

from __future__ import annotations

import torch
from mmengine.logging import print_log
from torch import nn

from nasvit_mm.checkpoints.reading import read_checkpoint
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import WEIGHT_INITIALIZERS

PREFIXES = ('backbone.', 'model.backbone.')  # a model's backbone, a supernet's backbone


@WEIGHT_INITIALIZERS.register_module()
class PretrainedBackbone:
    """Loads a backbone's ``Pretrained`` weights; mmengine's own class only warns about misfits.

    Args:
        checkpoint: path or URL that mmengine's CheckpointLoader accepts.
        prefix: keep only the keys that begin with it, and remove it from them.  None: the first of
            ``'backbone.'`` and ``'model.backbone.'`` (written by supernet training) that keys in
            the file begin with, else no prefix.
    """

    def __init__(self, checkpoint: str, prefix: str | None = None) -> None:
        self.checkpoint, self.prefix = checkpoint, prefix

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into a backbone."""
        load_pretrained(module, self.checkpoint, self.prefix)


def load_pretrained(module: nn.Module, filename: str, prefix: str | None = None) -> None:
    """Load a checkpoint into a backbone; see :class:`PretrainedBackbone` for the arguments.

    Parts that are new in a dense model (the taps, and ViTAS's pyramid) may be absent from the file;
    everything else must be present in the right shape.

    Raises:
        UsageError: keys are missing or have another shape; the message says what the file holds and
            what the backbone expects.
    """
    state = read_checkpoint(filename).state
    if prefix is None:
        prefix = next((p for p in PREFIXES if any(k.startswith(p) for k in state)), None)
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
        raise UsageError(
            f'{filename} does not fit {type(module).__name__} {arch}'
            + (f' under the prefix {prefix!r}' if prefix else '')
            + (
                f'; {len(missing)} of {len(wanted)} entries are missing, the first: {missing[:3]}'
                if missing
                else ''
            )
            + (f'; {len(shapes)} have another shape: {"; ".join(shapes[:3])}' if shapes else '')
            + '. Expected the weights of exactly this architecture (tools/convert_checkpoint.py '
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
