"""A network whose weights are at hand: what it is, its weights, and laying it into a supernet."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nasvit_mm.backbones import ElasticBackbone
from nasvit_mm.checkpoints.convert import convert_official
from nasvit_mm.checkpoints.extract import Elastic
from nasvit_mm.checkpoints.from_timm import SCHEME
from nasvit_mm.checkpoints.input_channels import adapt_input
from nasvit_mm.checkpoints.lay_in import adopt_rules, lay_in
from nasvit_mm.checkpoints.reading import Checkpoint, read_checkpoint
from nasvit_mm.config import config_parts, own_kind, parsed_values
from nasvit_mm.engine import print_log
from nasvit_mm.errors import ArchitectureError, UsageError, shown_path
from nasvit_mm.family import FAMILIES
from nasvit_mm.spaces import Arch, Space, find_model, get_space, how_to_get, list_models, weights_of

WEIGHTS = 'weights.pth'  # of an export's folder


class Network(NamedTuple):
    """A network, or a supernet.

    Attributes:
        given: how it was named.
        space: its space; of a supernet with its restriction.
        arch: its architecture; None: a supernet.
        state: its weights, those of the backbone under ``backbone.``.
        meta: what its file says of itself.
    """

    given: str
    space: Space
    arch: Arch | None
    state: dict[str, torch.Tensor]
    meta: Mapping[str, Any]


def read_network(given: str | Path, space: Any = None, arch: Any = None, phase: int = 0) -> Network:
    """Read a network's weights, whoever wrote them.

    Args:
        given: a name of :func:`nasvit_mm.list_models` whose weights timm has; ``timm://NAME.TAG``;
            the folder of an export; a checkpoint of training or conversion; or the authors' or
            timm's file of a network of the given space.
        space, arch: what the weights are of, where they do not say it themselves.
        phase: of the weight sharing, where the authors' file is of a supernet and ``arch`` is
            sliced out of it.

    Raises:
        UsageError: weights that have to be fetched first; a file that does not fit, or that does
            not say what it is of.
    """
    given, path = str(given), Path(given)
    name = given.removeprefix(SCHEME).partition('.')[0] if given.startswith(SCHEME) else given
    if name in list_models() and not path.exists():
        space, arch = find_model(name)
        check_available(name)
    if name == given and name in list_models() and not path.exists():
        given = f'{SCHEME}{weights_of(name)["timm"]}'
    found = read_checkpoint(str(path / WEIGHTS) if path.is_dir() else given)
    described = describe(found)
    if described is None and space is None:
        raise UsageError(
            f'{shown_path(given)} does not say what network it is of: give its space and arch'
        )
    if described is None:
        space = get_space(space)
        arch = None if arch is None else space.arch(arch)
        state = _ours(found) or _converted(given, space, found, arch, phase)
        return Network(name, space, arch, state, found.meta)
    return Network(name, *described, _plain(found.state), found.meta)


def _ours(found: Checkpoint) -> dict[str, torch.Tensor] | None:
    """Return weights that are under our names, though their file says nothing of itself."""
    ours = any('.backbone.' in f'.{key}' for key in found.state)
    return _plain(found.state) if ours else None


def _converted(
    given: str, space: Space, found: Checkpoint, arch: Arch | None, phase: int
) -> dict[str, torch.Tensor]:
    """Return the weights of the authors' file under our names; of a family that has none as they
    are.
    """
    if FAMILIES[space.name].converter is None:
        return _plain(found.state)
    try:
        return convert_official(space, found.content, arch, phase)
    except ValueError as error:
        raise UsageError(f'{given}: {error}') from error


def check_available(name: str) -> None:
    """Check that the weights of a model can be had by its name alone.

    Raises:
        UsageError: they have to be fetched; the message says from where.
    """
    if 'timm' not in (weights_of(name) or {}):
        raise UsageError(how_to_get(name))


def describe(found: Checkpoint) -> tuple[Space, Arch | None] | None:
    """Return the space and the architecture that a checkpoint says it is of.

    The architecture is None for a supernet; the whole is None if the checkpoint says nothing.

    Raises:
        ArchitectureError: it names a space or an architecture that does not exist.
    """
    meta = found.meta
    if isinstance(meta.get('space'), Mapping):
        space = get_space(dict(meta['space']))
        return space, None if meta.get('arch') is None else space.arch(meta['arch'])
    try:
        model = parsed_values(meta['cfg']).get('model')
    except (KeyError, TypeError, UsageError):
        return None
    for where, part in config_parts(model, 'model'):
        kind = own_kind(part)
        if hasattr(kind, 'read_space') and '.teacher.' not in where:
            space = kind.read_space(part.get('arch'), part.get('space'))
            return (get_space(space.name), space.largest) if space.is_single else (space, None)
    return None


def differing_fields(one: Arch, other: Arch) -> list[str]:
    """Return the names of the fields in which two architectures of a space are two networks.

    Genes of the task are no part of it, nor what ViTAS's slots without a block are filled with.
    """
    space = get_space(one.space)
    names = [f.name for f in space.fields if one[f.name] != other[f.name]]
    try:
        same = len({space.canonical(_own(space, arch)) for arch in (one, other)}) == 1
    except ArchitectureError:  # of a restriction, which may have resolutions of its own
        same = False
    return [] if same else names


def _own(space: Space, arch: Arch) -> Arch:
    """Return an architecture without genes of the task."""
    return Arch(space.name, {f.name: arch[f.name] for f in space.fields})


def left_over(module: Elastic, state: Mapping[str, Any]) -> list[str]:
    """Return the weights of a state that belong to no network of a module's architecture: the
    blocks of a deeper one.

    Those of stages beyond the last output of a backbone are not among them.

    Args:
        module: a backbone or a classifier.
        state: weights under its names.
    """
    backbone = getattr(module, 'backbone', module)
    before = '' if backbone is module else 'backbone.'
    known, new = module.state_dict().keys(), tuple(before + n for n in backbone.new_weights)
    found = [
        key
        for key, value in state.items()
        if torch.is_tensor(value) and key not in known and key.startswith(before)
    ]
    found = [key for key in found if not key.startswith(new)]
    if not found:
        return []
    options = backbone.options | dict(out_indices=(len(backbone.strides) - 1,), out_width=None)
    with torch.device('meta'):
        whole = type(backbone)('supernet', backbone.space.without_task, **options).state_dict()
    return [key for key in found if key.removeprefix(before) not in whole]


def warn_of_dropped(module: Elastic, state: Mapping[str, Any], given: str) -> None:
    """Say which parts of a dense model's backbone have no place in a module: taps and the like,
    without which its outputs are other ones.

    Args:
        module: a backbone or a classifier.
        state: weights under its names.
        given: what the weights are of.
    """
    known, new = module.state_dict().keys(), getattr(module, 'new_weights', ())
    parts = sorted({k.partition('.')[0] for k in state if k.startswith(new) and k not in known})
    if parts:
        print_log(
            f'{given} has {" and ".join(parts)}, for which the model has no place: its outputs '
            'are those before them. Give the backbone the options of the network '
            '(out_width, out_indices, stage_norm)',
            logger='current',
            level=logging.WARNING,
        )


def lay_network_in(
    module: Elastic,
    network: Network,
    phase: int = 0,
    order: bool = True,
    share: float | None = None,
) -> str:
    """Lay a network into a supernet that contains it, see :func:`lay_in`.

    Args:
        module: a backbone built for a space, or a classifier; a classifier of another number of
            classes keeps its last layer, and what is new in a dense backbone its weights.
        network: whose weights are laid in.
        phase: of the weight sharing.
        order: permute hidden channels first, the most important ones to the front; the function
            stays.
        share: see :func:`lay_in`.

    Returns:
        What was done, in a sentence.

    Raises:
        UsageError: the network is no member of the space (the field and the nearest member are
            named), or its weights are not of its architecture.
    """
    arch = member_of(module.space, network)
    state = network.state
    if isinstance(module, ElasticBackbone):
        state = {
            k.removeprefix('backbone.'): v for k, v in state.items() if k.startswith('backbone.')
        }
    try:
        adopt_rules(module, state)
    except RuntimeError as error:
        raise UsageError(f'{network.given} does not fit the supernet: {error}') from error
    alone = module.rebuild(arch)
    state, wanted = adapt_input(alone, state, network.given), alone.state_dict()
    given = {k: v for k, v in state.items() if k in wanted and v.shape == wanted[k].shape}
    spared = (*getattr(module, 'new_weights', ()), 'head.classifier.')
    missing = [k for k in wanted if k not in given and not k.startswith(spared)]
    if missing:
        raise UsageError(
            f'{network.given} does not fit its architecture {arch}: {len(missing)} of '
            f'{len(wanted)} entries are missing or have another shape, the first: {missing[0]}'
        )
    more = left_over(alone, state)
    if more:
        raise UsageError(
            f'{network.given} does not fit its architecture {arch}: it has {len(more)} entries '
            f'more, the first: {more[0]}; name the architecture that its weights are of'
        )
    _warn_of_spared(network, state, wanted, spared)
    warn_of_dropped(alone, state, network.given)
    alone.load_state_dict(given, strict=False)
    if order:
        for part in alone.modules():
            if hasattr(part, 'order_hidden'):
                part.order_hidden()
        given = {k: v for k, v in alone.state_dict().items() if k in given}
    lay_in(module, given, arch, phase, share)
    return f'{network.given} is in the supernet as {arch}'


def _warn_of_spared(
    network: Network, state: Mapping[str, Any], wanted: Mapping[str, Any], spared: tuple[str, ...]
) -> None:
    """Say which of a network's weights are not laid in, having another shape."""
    wrong = [
        f'{key} is {tuple(state[key].shape)} there, {tuple(value.shape)} in the supernet'
        for key, value in wanted.items()
        if key.startswith(spared) and key in state and state[key].shape != value.shape
    ]
    if wrong:
        print_log(
            f'{len(wrong)} tensors of {network.given} are not laid in, having another shape: '
            f'{wrong[0]}. Give the backbone the out_width of the network, or the classifier its '
            'classes; taps of other widths are a choice of the space, space.task, taps=[...]',
            logger='current',
            level=logging.WARNING,
        )


def member_of(space: Space, network: Network) -> Arch:
    """Return a network's architecture as a member of a space.

    Raises:
        UsageError: it is none; the message names the field, and the nearest member.
    """
    if network.arch is None:
        raise UsageError(
            f'{network.given} is a supernet already: name one of its architectures, or give it as '
            'the weights to begin with'
        )
    if network.space.name != space.name:
        raise UsageError(
            f'{network.given} is of the space {network.space.name}, which has no network in common '
            f'with {space.name}: give --space {network.space.name}'
        )
    arch = space.adopted(network.arch)
    try:
        return space.arch(arch.to_dict())
    except ArchitectureError as error:
        raise UsageError(
            f'{network.given} is no member of the space: {error}{_nearest(space, arch)}'
        ) from error


def _nearest(space: Space, arch: Arch) -> str:
    """Name the values in which the nearest member of a space differs from an architecture."""
    changed = []
    for field in space.without_task.fields:
        values = arch[field.name] if field.positions else (arch[field.name],)
        for label, value, choices in zip(field.labels, values, field.choices):
            if value not in choices:
                changed.append(f'{label} = {min(choices, key=lambda c: abs(c - value))}')
    return f'; the nearest member has {", ".join(changed)}' if changed else ''


def _plain(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return weights with the backbone's under ``backbone.``, which some files leave out."""
    before = next((k.partition('backbone.')[0] for k in state if 'backbone.' in k), None)
    if before is None:
        return {f'backbone.{k}': v for k, v in state.items()}
    return {k.removeprefix(before): v for k, v in state.items() if k.startswith(before)}
