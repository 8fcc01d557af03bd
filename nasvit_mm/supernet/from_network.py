"""A supernet out of a network that exists: the network is laid into it, head and all."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.logging import print_log
from torch import nn

from nasvit_mm.backbones import ElasticBackbone, create_model
from nasvit_mm.building import building, read_file
from nasvit_mm.checkpoints import Network, lay_network_in, member_of, read_network, save_weights
from nasvit_mm.config import parsed_config
from nasvit_mm.dense import build_model, elastic_backbone, inner_model
from nasvit_mm.errors import ArchitectureError, UsageError, shown_value
from nasvit_mm.family import FAMILIES
from nasvit_mm.registry import MODELS
from nasvit_mm.spaces import SCALE, TAPS, Arch, Space, get_space
from nasvit_mm.spaces.geometry import WHOLE
from nasvit_mm.supernet.validation import check_phase

CONFIG = 'config.py'  # of an export's folder


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
) -> Made:
    """Lay a network into a supernet, where it computes what it computes alone.

    Args:
        network: a name of :func:`nasvit_mm.list_models` whose weights timm has; a checkpoint of
            training or conversion; the folder of an export; or a file of the authors, with
            ``arch``.
        space: of the supernet, which has the network.
        out: file to write; None: none.
        arch: the network's architecture, where its file does not say it.
        phase: of the weight sharing, in which the network is active.
        order: sort hidden channels by importance first.
        sharing: rule of the weight sharing of ViTAS's spaces; None: the default.

    Raises:
        UsageError: the network is no member of the space, its weights do not fit, or have to be
            fetched first.
    """
    space = get_space(space)
    found = read_network(network, space, arch, phase)
    cfg, note = _config(network, found), ''
    found = _with_task(found, cfg, space)
    member = member_of(space, found)
    options = {} if sharing is None else _sharing(space, sharing)
    if _backbone_part(cfg) is not None:
        cfg, model, note = _around_supernet(cfg, found, space, options)
    else:
        cfg, model = None, _plain_supernet(found, space, options)
    backbone = model if isinstance(model, ElasticBackbone) else model.backbone
    check_phase(backbone, phase)
    done = lay_into(model, found, phase, order)
    if out is not None:
        state = model.state_dict()
        if model is backbone:
            state = {f'backbone.{k}': v for k, v in state.items()}
        meta = {} if cfg is None else dict(cfg=cfg.pretty_text)
        save_weights(
            out, state, space, None, member=member.to_dict(), phase=phase, of=found.given, **meta
        )
    return Made(model, member, ' '.join(filter(None, (f'{done}.', note))))


def lay_into(model: nn.Module, network: Network, phase: int = 0, order: bool = True) -> str:
    """Lay a network into a model with an elastic backbone; its other weights are copied.

    Returns:
        What was done, in a sentence.

    Raises:
        UsageError: see :func:`nasvit_mm.checkpoints.lay_network_in`.
    """
    if isinstance(model, ElasticBackbone) or hasattr(model, 'rebuild'):
        return lay_network_in(model, network, phase, order)
    done = lay_network_in(elastic_backbone(model), network, phase, order)
    wanted = {k: v for k, v in model.state_dict().items() if not k.startswith('backbone.')}
    given = {k: v for k, v in network.state.items() if k in wanted and v.shape == wanted[k].shape}
    model.load_state_dict(given, strict=False)
    fresh = [k for k in wanted if k not in given and not k.endswith('num_batches_tracked')]
    return done + (f'; new: {len(fresh)} tensors, the first {fresh[0]}' if fresh else '')


def begin_with(model: nn.Module, init: Any) -> None:
    """Do what ``init`` in a supernet's config says: lay a network into the model.

    Args:
        init: what :func:`make_supernet` takes for ``network``, or ``dict(network=, arch=, phase=,
            order=)``.

    Raises:
        UsageError: another form; and as of :func:`make_supernet`.
    """
    options = dict(init) if isinstance(init, Mapping) else dict(network=init)
    network = options.pop('network', None)
    if not isinstance(network, (str, Path)) or set(options) - {'arch', 'phase', 'order'}:
        raise UsageError(
            f'init = {shown_value(init)}, expected a network, or dict(network=, arch=, phase=, '
            'order=)'
        )
    backbone = elastic_backbone(model)
    phase = options.get('phase', 0)
    check_phase(backbone, phase)
    found = read_network(network, backbone.space, options.get('arch'), phase)
    cfg = _config(network, found)
    found = _with_task(found, cfg, backbone.space)
    _warn_of_scale(found, cfg, backbone)
    print_log(lay_into(model, found, phase, options.get('order', True)), logger='current')


def _config(network: str | Path, found: Network) -> Config | None:
    """Return the config that a network was trained with, None if it is not told."""
    beside = Path(network) / CONFIG
    if beside.is_file():
        return read_file(beside)
    text = found.meta.get('cfg')
    return parsed_config(text) if isinstance(text, str) else None


def _backbone_part(cfg: Config | None) -> Mapping[str, Any] | None:
    """Return the backbone in a network's config, None where there is none."""
    return None if cfg is None else inner_model(cfg).get('backbone')


def _with_task(network: Network, cfg: Config | None, space: Space) -> Network:
    """Return a network whose architecture has the scale and the width of taps, where they are
    genes, as its own config has them.

    Raises:
        UsageError: the space does not offer these values.
    """
    part = _backbone_part(cfg)
    if part is None or network.arch is None:
        return network
    own = {SCALE: part.get('input_scale', WHOLE), TAPS: part.get('out_width')}
    own = {name: value for name, value in own.items() if value is not None and space.has(name)}
    if not own:
        return network
    try:
        return network._replace(arch=space.arch({**network.arch.to_dict(), **own}))
    except ArchitectureError as error:
        raise UsageError(f'{network.given} is no member of the space: {error}') from error


def _warn_of_scale(network: Network, cfg: Config | None, backbone: ElasticBackbone) -> None:
    """Say where a network computed at another scale of the images than the supernet will."""
    part = _backbone_part(cfg)
    if part is None or backbone.space.has(SCALE):
        return
    theirs, ours = part.get('input_scale', WHOLE), backbone.input_scale
    if theirs != ours:
        print_log(
            f'init: {network.given} computes at {theirs} % of the size of the images, the supernet '
            f'at {ours} %: its outputs are others there. Give the backbone input_scale={theirs}, '
            f'or space.task the choice: dict(scale=[{min(theirs, ours)}, {max(theirs, ours)}])',
            logger='current',
            level=logging.WARNING,
        )


def _plain_supernet(network: Network, space: Space, options: dict) -> nn.Module:
    """Build a classifier, or a backbone alone for a network without a head."""
    weight = network.state.get('head.classifier.weight')
    model = create_model(space, None, 1000 if weight is None else len(weight), **options)
    return model.backbone if weight is None else model


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
    headless = all(key.startswith('backbone.') for key in network.state)
    if headless or model.backbone.get('out_width') is None:
        note = (
            'Its head is left out: without out_width it takes the widths of this network alone'
            if not headless
            else ''
        )
        with building(cfg):
            return None, MODELS.build(model.backbone), note
    kept = {key: cfg[key] for key in ('default_scope', 'custom_imports') if key in cfg}
    cfg = Config(dict(model=model, **kept))
    return cfg, build_model(copy.deepcopy(cfg)), ''


def _sharing(space: Space, sharing: str) -> dict[str, str]:
    """Return the option of the weight sharing.

    Raises:
        UsageError: the family has no choice.
    """
    if not hasattr(FAMILIES[space.name].part('backbone'), 'RULES'):
        raise UsageError(f'--sharing {sharing}: {space.name} shares the first channels, always')
    return dict(sharing=sharing)
