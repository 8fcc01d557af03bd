"""A supernet out of a network that exists: the network is laid into it, head and all."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.logging import print_log
from torch import nn

from nasvit_mm.backbones import ElasticBackbone, create_model
from nasvit_mm.building import building
from nasvit_mm.checkpoints import (
    Network,
    differing_fields,
    extract_subnet,
    lay_network_in,
    member_of,
    read_network,
    save_weights,
)
from nasvit_mm.dense import (
    ElasticPart,
    build_model,
    config_beside,
    elastic_backbone,
    inner_model,
    kind_of,
    own_task,
    sees_otherwise,
    widen,
)
from nasvit_mm.errors import ArchitectureError, UsageError, check_number, shown_value
from nasvit_mm.family import FAMILIES
from nasvit_mm.registry import MODELS
from nasvit_mm.spaces import Arch, Space, get_space
from nasvit_mm.supernet.loading import input_channels, load_supernet
from nasvit_mm.supernet.validation import check_phase


class Made(NamedTuple):
    """A supernet that contains a network.

    Attributes:
        model: a classifier or a dense model; a backbone where the network came without a head.
        arch: the network's architecture in it.
        note: what was done, in a sentence or two.
    """

    model: nn.Module
    arch: Arch
    note: str


def make_supernet(
    network: str | Path,
    space: str | Mapping | Space,
    out: str | Path | None = None,
    *,
    arch: Any = None,
    phase: int = 0,
    order: bool = True,
    sharing: str | None = None,
    share: float | None = None,
) -> Made:
    """Lay a network into a supernet, where it computes what it computes alone.

    Args:
        network: a name of :func:`nasvit_mm.list_models` whose weights timm has; a checkpoint of
            training or conversion; the folder of an export; a file of the authors, with ``arch``;
            or a checkpoint of a supernet, out of which ``arch`` is sliced.
        space: of the supernet, which has the network.
        out: file to write; None: none.
        arch: the network's architecture, where its file does not say it.
        phase: of the weight sharing, in which the network is active.
        order: sort hidden channels by importance first.
        sharing: rule of the weight sharing of ViTAS's spaces; None: the default.
        share: what weights that read channels beyond the network's are multiplied by, see
            :func:`nasvit_mm.checkpoints.lay_in`.

    Raises:
        UsageError: the network is no member of the space, its weights do not fit, or have to be
            fetched first; its file says that it is of another architecture.
    """
    space = get_space(space)
    _check_share(share)
    found, cfg = _read(network, space, arch, phase)
    note = ''
    member = member_of(space, found)
    options = {} if sharing is None else _sharing(space, sharing)
    if _backbone_part(cfg) is not None:
        cfg, model, note = _around_supernet(cfg, found, space, options)
    else:
        cfg, model = _plain_supernet(cfg, found, space, options)
    backbone = model if isinstance(model, ElasticBackbone) else model.backbone
    check_phase(backbone, phase)
    done = lay_into(model, found, phase, order, share)
    if out is not None:
        state = model.state_dict()
        if model is backbone:
            state = {f'backbone.{k}': v for k, v in state.items()}
        meta = {} if cfg is None else dict(cfg=cfg.pretty_text)
        save_weights(
            out, state, space, None, member=member.to_dict(), phase=phase, of=found.given, **meta
        )
    return Made(model, member, ' '.join(filter(None, (f'{done}.', note))))


def lay_into(
    model: nn.Module,
    network: Network,
    phase: int = 0,
    order: bool = True,
    share: float | None = None,
) -> str:
    """Lay a network into a model with an elastic backbone: its head too, slices of an elastic one.

    What of a dense network has no place in the model is told as a warning.

    Returns:
        What was done, in a sentence.

    Raises:
        UsageError: see :func:`nasvit_mm.checkpoints.lay_network_in`.
    """
    if isinstance(model, ElasticBackbone) or hasattr(model, 'rebuild'):
        return lay_network_in(model, network, phase, order, share)
    backbone = elastic_backbone(model)
    done = lay_network_in(backbone, network, phase, order, share)
    arch = member_of(backbone.space, network)
    wanted = {k: v for k, v in model.state_dict().items() if not k.startswith('backbone.')}
    given, fresh, placed = dict(network.state), [], set()
    for name, part in model.named_modules():
        if isinstance(part, ElasticPart):
            before = f'{name}.'
            own = {k.removeprefix(before): v for k, v in given.items() if k.startswith(before)}
            written, lacking = part.lay_in(own, arch, share or 0.0)
            fresh += [before + key for key in sorted(lacking)]
            placed |= {before + key for key in written}
            wanted = {k: v for k, v in wanted.items() if not k.startswith(before)}
    fits = {k: given[k] for k, v in wanted.items() if k in given and given[k].shape == v.shape}
    model.load_state_dict(fits, strict=False)
    fresh = [
        k
        for k in [*fresh, *(k for k in wanted if k not in fits)]
        if not k.endswith('num_batches_tracked')
    ]
    # What a classifier has behind its backbone, no dense model has.
    skipped = ('backbone.', 'head.')
    left = [k for k in given if k not in fits and k not in placed and not k.startswith(skipped)]
    if left:
        _warn_of_left(network, left, {**wanted, **model.state_dict()})
    return done + (f'; new: {len(fresh)} tensors, the first {fresh[0]}' if fresh else '')


def _warn_of_left(network: Network, left: list[str], wanted: Mapping[str, Any]) -> None:
    """Say what of a dense network has no place in a supernet's model."""
    first = left[0]
    shape = tuple(network.state[first].shape)
    ours = (
        f'and the supernet has {tuple(wanted[first].shape)}'
        if first in wanted
        else 'and the supernet has no such weight'
    )
    print_log(
        f'{len(left)} tensors of neck and head of {network.given} have no place in the supernet, '
        f'the first: {first} is {shape} there, {ours}. Give the supernet the neck and head of the '
        'network; of another width, the space the choice: space.task, head=[...] or taps=[...]',
        logger='current',
        level=logging.WARNING,
    )


def begin_with(model: nn.Module, init: Any) -> None:
    """Do what ``init`` in a supernet's config says: lay a network into the model.

    Args:
        init: what :func:`make_supernet` takes for ``network``, or ``dict(network=, arch=, phase=,
            order=, share=)``.

    Raises:
        UsageError: another form; and as of :func:`make_supernet`.
    """
    options = dict(init) if isinstance(init, Mapping) else dict(network=init)
    network = options.pop('network', None)
    if not isinstance(network, (str, Path)) or set(options) - {'arch', 'phase', 'order', 'share'}:
        raise UsageError(
            f'init = {shown_value(init)}, expected a network, or dict(network=, arch=, phase=, '
            'order=, share=)'
        )
    backbone = elastic_backbone(model)
    phase, share = options.get('phase', 0), options.get('share')
    check_phase(backbone, phase)
    _check_share(share)
    found, cfg = _read(network, backbone.space, options.get('arch'), phase)
    for text in sees_otherwise(model, cfg) if cfg is not None else ():
        print_log(f'init = {found.given}: {text}', logger='current', level=logging.WARNING)
    done = lay_into(model, found, phase, options.get('order', True), share)
    print_log(done, logger='current')


def _check_share(share: float | None) -> None:
    if share is not None:
        check_number('share', share)


def _read(
    network: str | Path, space: Space, arch: Any, phase: int
) -> tuple[Network, Config | None]:
    """Read a network, and the config that it was trained with.

    Args:
        space: of the supernet that it is for.
        arch: that the user names; None: none.

    Returns:
        The network with its genes of the task, where the space has them, and its config, None if
        it is not told.

    Raises:
        UsageError: its file says that it is of another architecture, or cannot be read.
    """
    found = read_network(network, space, arch, phase)
    cfg = config_beside(network, found.meta)
    if arch is None or found.space.name != space.name:
        return _with_task(found, cfg, space), cfg
    if found.arch is None:
        sliced = _sliced(network, found, cfg, arch, phase)
        return _with_task(sliced, cfg, space, [f.name for f in found.space.task]), cfg
    named = space.arch(arch)
    if differing := differing_fields(found.arch, named):
        raise UsageError(
            f'{found.given} is of the architecture {found.arch}, and arch = {named} is another one '
            f'in {", ".join(differing)}: leave arch out'
        )
    return _with_task(found, cfg, space), cfg


def _backbone_part(cfg: Config | None) -> Mapping[str, Any] | None:
    """Return the backbone in a network's config, None where there is none."""
    return None if cfg is None else inner_model(cfg).get('backbone')


def _sliced(
    network: str | Path, found: Network, cfg: Config | None, arch: Any, phase: int
) -> Network:
    """Slice an architecture out of a supernet's checkpoint, with its head."""
    arch = found.space.arch(arch)
    if cfg is None and 'head.classifier.weight' not in found.state:
        backbone = _plain_supernet(None, found, found.space, {})[1]
        check_phase(backbone, phase)
        own = {k.removeprefix('backbone.'): v for k, v in found.state.items()}
        try:
            backbone.load_state_dict(own)
        except RuntimeError as error:
            raise UsageError(f'{found.given} does not fit its space: {error}') from error
        sliced = extract_subnet(backbone, arch, phase).state_dict()
        state = {f'backbone.{key}': value for key, value in sliced.items()}
    else:
        model = load_supernet(str(network), cfg)
        check_phase(model.backbone, phase)
        state = kind_of(model).extract(model, arch, phase).state_dict()
    print_log(
        f'{found.given}: {arch} is sliced out of its supernet, whose batch norm statistics fit no '
        'subnet',
        logger='current',
    )
    return found._replace(arch=arch, state=state)


def _with_task(
    network: Network, cfg: Config | None, space: Space, known: Sequence[str] = ()
) -> Network:
    """Return a network whose architecture has the genes of the task of a space, as its own config
    has them: scale, width of taps and head, number of maps.

    Args:
        known: genes that its architecture has already.

    Raises:
        UsageError: the space does not offer these values.
    """
    part = _backbone_part(cfg)
    if part is None or network.arch is None or not space.task:
        return network
    own = own_task(inner_model(cfg), space)
    own = {gene: v for gene, v in own.items() if v is not None and gene not in known}
    try:
        return network._replace(arch=space.arch(network.arch.to_dict() | own))
    except ArchitectureError as error:
        raise UsageError(f'{network.given} is no member of the space: {error}') from error


def _plain_supernet(
    cfg: Config | None, network: Network, space: Space, options: dict
) -> tuple[Config | None, nn.Module]:
    """Build a classifier, or a backbone alone for a network without a head.

    Returns:
        The classifier's config, where the network has one, and itself.
    """
    weight = network.state.get('head.classifier.weight')
    if cfg is not None and weight is not None:
        model = copy.deepcopy(inner_model(cfg))
        model.update(arch='supernet', init_cfg=None, **options)
        model.space = space.to_dict()
        cfg = _alone(cfg, model)
        with building(cfg):
            return cfg, MODELS.build(copy.deepcopy(cfg.model))
    classes = 1000 if weight is None else len(weight)
    model = create_model(space, None, classes, input_channels(network.state, space), **options)
    return None, model.backbone if weight is None else model


def _alone(cfg: Config, model: Any) -> Config:
    """Return a config of a model, with what of another one it needs to be built."""
    kept = {key: cfg[key] for key in ('default_scope', 'custom_imports') if key in cfg}
    return Config(dict(model=model, **kept))


def _around_supernet(
    cfg: Config, network: Network, space: Space, options: dict
) -> tuple[Config | None, nn.Module, str]:
    """Build a network's dense model around a supernet.

    Returns:
        Its config, itself, and a note; of a network without a head, or whose head cannot stay, no
        config and the backbone alone.
    """
    model = copy.deepcopy(inner_model(cfg))
    model.backbone.update(arch='supernet', init_cfg=None, **options)
    model.backbone.space = space.to_dict()  # by `update` it would be merged with the one there
    cfg = _alone(cfg, model)
    widen(cfg, space)
    headless = all(key.startswith('backbone.') for key in network.state)
    if headless or model.backbone.get('out_width') is None:
        note = (
            'Its head is left out: without out_width it takes the widths of this network alone'
            if not headless
            else ''
        )
        with building(cfg):
            return None, MODELS.build(cfg.model.backbone), note
    return cfg, build_model(copy.deepcopy(cfg)), ''


def _sharing(space: Space, sharing: str) -> dict[str, str]:
    """Return the option of the weight sharing.

    Raises:
        UsageError: the family has no choice.
    """
    if not hasattr(FAMILIES[space.name].part('backbone'), 'RULES'):
        raise UsageError(f'--sharing {sharing}: {space.name} shares the first channels, always')
    return dict(sharing=sharing)
