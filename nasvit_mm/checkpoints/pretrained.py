"""``init_cfg=dict(type='Pretrained', ...)`` for our models: weights that exist, in any form.

What fits is loaded as it is; the authors' and timm's files are converted, a supernet is sliced, and
a supernet to be takes a network of its space.  What does not fit is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nasvit_mm.backbones import ElasticBackbone
from nasvit_mm.checkpoints.extract import extract_state
from nasvit_mm.checkpoints.input_channels import adapt_input
from nasvit_mm.checkpoints.network import (
    Network,
    describe,
    differing_fields,
    lay_network_in,
    left_over,
    read_network,
    warn_of_dropped,
)
from nasvit_mm.checkpoints.reading import Checkpoint, read_checkpoint, unlike
from nasvit_mm.engine import print_log
from nasvit_mm.errors import ArchitectureError, UsageError
from nasvit_mm.registry import WEIGHT_INITIALIZERS
from nasvit_mm.spaces import RESOLUTION, Arch, Space, get_space, list_models

PREFIXES = ('backbone.', 'model.backbone.')  # a model's backbone, a supernet's backbone


@WEIGHT_INITIALIZERS.register_module()
class PretrainedBackbone:
    """Loads ``Pretrained`` weights; mmengine's own class only warns about misfits.

    Args:
        checkpoint: a path, a URL that mmengine's CheckpointLoader accepts, ``timm://NAME.TAG``, or
            a name of :func:`nasvit_mm.list_models` whose weights timm has.  It may hold this
            network; a supernet of its space, which is sliced; either as its authors wrote it; or,
            for a supernet's backbone, a network of the space, which is laid into it
            (:func:`lay_in`).
        prefix: keep only the keys that begin with it, and remove it from them; the file then has to
            fit as it is.  None: the first of ``'backbone.'`` and ``'model.backbone.'`` (written by
            supernet training) that keys in the file begin with, else no prefix.
    """

    def __init__(self, checkpoint: str, prefix: str | None = None) -> None:
        self.checkpoint, self.prefix = str(checkpoint), prefix

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into a backbone, or into a classifier of ``create_model``."""
        load_pretrained(module, self.checkpoint, self.prefix)


def load_pretrained(module: nn.Module, source: str, prefix: str | None = None) -> None:
    """Load weights into a backbone or a classifier; see :class:`PretrainedBackbone`.

    Parts that are new in a dense model (the taps, and ViTAS's pyramid), and a classifier of another
    number of classes, may be absent; everything else must be present in the right shape.  Stages
    beyond the last output of a backbone are left out.

    Raises:
        UsageError: keys are missing or have another shape, there are more blocks in the file, or it
            says that it is of another architecture; the message says what the file holds and what
            the model expects.
    """
    found = _file(source)
    state = None if found is None else _as_it_is(module, found, source, prefix)
    how = reason = ''
    if state is None or (prefix is None and _is_another(module, found, state, source)):
        try:
            network = _network_for(module, source)
            if network.arch is not None and not module.space.is_single:
                print_log(lay_network_in(module, network), logger='current')
                return
            state, how = _of_network(module, network)
        except ValueError as error:
            if state is None:
                raise
            reason = str(error)
    missing, shapes = _misfits(module, state)
    loose = not module.space.is_single and (found is None or _said(found) is not None)
    more = [] if loose else left_over(module, state)
    if missing or shapes or more or reason:
        raise UsageError(
            f'{source} does not fit {type(module).__name__} {module.arch}'
            + (f' under the prefix {prefix!r}' if prefix else '')
            + (
                f'; {len(missing)} of {len(module.state_dict())} entries are missing, the first: '
                f'{missing[:3]}'
                if missing
                else ''
            )
            + (f'; {len(shapes)} have another shape: {"; ".join(shapes[:3])}' if shapes else '')
            + (f'; the file has {len(more)} entries more, the first: {more[:3]}' if more else '')
            + (f'. {reason}' if reason else '')
            + '. Expected the weights of exactly this architecture, or of a supernet that has it'
        )
    warn_of_dropped(module, state, source)
    wanted = module.state_dict()
    given = {k: v for k, v in state.items() if k in wanted and v.shape == wanted[k].shape}
    module.load_state_dict(given, strict=False)
    fresh = [k for k in wanted if k not in given]
    parts = ', '.join(sorted({k.split('.')[0] for k in fresh}))
    print_log(
        f'{type(module).__name__} loaded from {source}{how}'
        + (f'; new: {len(fresh)} tensors of {parts}' if fresh else ''),
        logger='current',
    )


def _file(source: str) -> Checkpoint | None:
    """Read a file; None if the source is a name or a folder."""
    if source in list_models() and not Path(source).exists() or Path(source).is_dir():
        return None
    return read_checkpoint(source)


def _as_it_is(
    module: nn.Module, found: Checkpoint, source: str, prefix: str | None
) -> dict[str, Any]:
    """Return a file's weights without a prefix."""
    state = found.state
    if prefix is None and isinstance(module, ElasticBackbone):
        prefix = next((p for p in PREFIXES if any(k.startswith(p) for k in state)), None)
    if prefix:
        prefix = prefix.rstrip('.') + '.'
        state = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    return adapt_input(module, state, source)


def _said(found: Checkpoint) -> tuple[Space, Arch | None] | None:
    """Return what a file says that it is of; None where it says nothing, or what cannot be read
    here, such as the file of an architecture on another machine.
    """
    try:
        return describe(found)
    except ArchitectureError:
        return None


def _is_another(
    module: nn.Module, found: Checkpoint, state: Mapping[str, Any], source: str
) -> bool:
    """Return whether a file does not hold the weights of a module as they are, but those of a
    supernet or of another network, by what it says or by what is in it.
    """
    described, own = _said(found), module.space.largest
    if any(_misfits(module, state)):
        return True
    if described is None or described[1] is None:
        return bool(left_over(module, state)) and (described is None or module.space.is_single)
    space, arch = described
    return space.name != own.space or _differs(arch, own, source)


def _differs(arch: Arch, own: Arch, source: str) -> bool:
    """Return whether the architecture of a file is another network than a model's.

    Another resolution is told, and is none.
    """
    differing, resolution = differing_fields(arch, own), get_space(own.space).role(RESOLUTION)
    if resolution is None or differing != [resolution.name]:
        return bool(differing)
    print_log(
        f'{source} is of the {resolution.name} {arch[resolution.name]}, the model of '
        f'{own[resolution.name]}: weights that depend on it are those of the file',
        logger='current',
        level=logging.WARNING,
    )
    return False


def _misfits(module: nn.Module, state: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the keys that are missing, and what is said of those of another shape."""
    new = tuple(getattr(module, 'new_weights', ()))
    wanted = module.state_dict()
    missing = [k for k in wanted if k not in state and not k.startswith(new)]
    shapes = [
        f'{k}: file {_shown(state[k], what)}, model {_shown(wanted[k], what)}'
        for k, what in unlike(wanted, state)
        if what == 'dtype' or not k.startswith('head.classifier.')
    ]
    return missing, shapes


def _shown(value: Any, what: str) -> Any:
    """Return the shape or the dtype of a tensor, or what stands in its place."""
    if not torch.is_tensor(value):
        return value
    return tuple(value.shape) if what == 'shape' else value.dtype


def _network_for(module: nn.Module, source: str) -> Network:
    """Read what a source holds; the authors' files are of the module's own space.

    Raises:
        UsageError: it is of another space, or of another architecture.
    """
    space, arch = _space_and_arch(module)
    network = read_network(source, space, arch)
    if network.space.name != space.name:
        raise UsageError(
            f'{source} is of the space {network.space.name}, the model of {space.name}'
        )
    if arch is not None and network.arch is not None and _differs(network.arch, arch, source):
        raise UsageError(f'{source} is of the architecture {network.arch}, the model of {arch}')
    return network


def _space_and_arch(module: nn.Module) -> tuple[Space, Arch | None]:
    space = module.space
    return (get_space(space.name), space.largest) if space.is_single else (space, None)


def _of_network(module: nn.Module, network: Network) -> tuple[dict[str, Any], str]:
    """Return a network's weights for a module, and how they were come by."""
    state = network.state
    if isinstance(module, ElasticBackbone):
        state = {
            k.removeprefix('backbone.'): v for k, v in state.items() if k.startswith('backbone.')
        }
    if network.arch is not None or not module.space.is_single:
        return adapt_input(module, state, network.given), ''
    supernet = _supernet_of(module, network.space.without_task, state)
    state = adapt_input(supernet, state, network.given)
    missing = [k for k in supernet.state_dict() if k not in state]
    new = tuple(getattr(module, 'new_weights', ()))
    if [k for k in missing if not k.startswith(new)]:
        raise UsageError(
            f'{network.given} is of a supernet without all stages of this model: it lacks '
            f'{missing[0]}'
        )
    try:
        supernet.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise UsageError(f'{network.given} does not fit its space: {error}') from error
    arch = module.space.largest
    sliced = extract_state(supernet, supernet.state_dict(), arch)
    kept = {k: v for k, v in sliced.items() if k not in missing}
    return kept, ', sliced out of its supernet, whose batch norm statistics fit no subnet'


def _supernet_of(module: nn.Module, space: Space, state: Mapping[str, Any]) -> nn.Module:
    """Return a supernet with the module's options, and as many classes as the weights have."""
    if isinstance(module, ElasticBackbone):
        return type(module)('supernet', space, **module.options)
    backbone = _supernet_of(module.backbone, space, state)
    head = type(module.head)(backbone, len(state.get('head.classifier.bias', ())))
    return type(module)(backbone, head, module.resize)
