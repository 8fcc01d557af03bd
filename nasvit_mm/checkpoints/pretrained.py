"""``init_cfg=dict(type='Pretrained', ...)`` of our backbones: refuses what does not fit."""

from __future__ import annotations

import torch
from mmengine.logging import print_log
from torch import nn

from nasvit_mm.checkpoints.reading import read_checkpoint
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import WEIGHT_INITIALIZERS

PREFIXES = ('backbone.', 'model.backbone.')  # of a model's backbone, and of one in a supernet


@WEIGHT_INITIALIZERS.register_module()
class PretrainedBackbone:
    """What a backbone's ``Pretrained`` does; mmengine's own only warns of what does not fit.

    Args:
        checkpoint: path or URL that mmengine's CheckpointLoader takes.
        prefix: keep only keys that begin with it, and cut it off.  None: ``'backbone.'`` where the
            file has such keys, ``'model.backbone.'`` (of a supernet's training) where it has
            those, else none.
    """

    def __init__(self, checkpoint: str, prefix: str | None = None) -> None:
        self.checkpoint, self.prefix = checkpoint, prefix

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into a backbone."""
        load_pretrained(module, self.checkpoint, self.prefix)


def load_pretrained(module: nn.Module, filename: str, prefix: str | None = None) -> None:
    """Load a checkpoint into a backbone; arguments as of :class:`PretrainedBackbone`.

    What is new in a dense model (taps; of ViTAS the pyramid) may be absent from the file; anything
    else must be there in the right shape.

    Raises:
        UsageError: keys are missing or of another shape; says what the file looks like and what
            the backbone expects.
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
