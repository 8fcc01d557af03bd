"""Extracting a subnet from a supernet: slice exactly what the architecture's forward uses."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from nasvit_mm.backbones import AroundBackbone, ElasticBackbone, image_channels
from nasvit_mm.nn import recorded_takes, take
from nasvit_mm.spaces.geometry import WHOLE

Elastic = ElasticBackbone | AroundBackbone  # plain, or a model of mmengine


def extract_subnet(supernet: Elastic, arch: Any, phase: int = 0) -> Elastic:
    """Return an independent model of one architecture with the supernet's weights.

    Args:
        supernet: a classifier from ``create_model`` or a backbone, built for a space.
        arch: any form that ``Space.arch`` takes.
        phase: phase of the weight sharing.

    Returns:
        A model of the same type, options, device and training flag.  It computes what the
        supernet computes with that architecture active, and shares no storage with it.  Its
        batch norm statistics are the supernet's, a mixture over all subnets: recalibrate them
        (``nasvit_mm.nn.recalibrate_bn``) before judging the subnet.  The supernet's active
        architecture does not change.
    """
    state = extract_state(supernet, supernet.state_dict(), arch, phase)
    with torch.device('meta'):  # no weights are drawn, nor copied from one device to another
        subnet = supernet.rebuild(arch)
    trained = {name: p.requires_grad for name, p in subnet.named_parameters()}
    subnet.load_state_dict(state, assign=True)
    for name, p in subnet.named_parameters():
        p.requires_grad_(trained[name])
    return subnet.train(supernet.training)


def extract_state(
    supernet: Elastic, state: Mapping[str, torch.Tensor], arch: Any, phase: int = 0
) -> dict[str, torch.Tensor]:
    """Slice the state dict of one architecture out of a supernet's state dict.

    Args:
        supernet: the model that the state belongs to (it may be on the meta device).
        state: the supernet's state dict.
    """
    spans = used_spans(supernet, arch, phase)
    with torch.device('meta'):
        wanted = supernet.rebuild(arch).state_dict()
    return {key: take(state[key], *spans.get(key, ())).detach().clone() for key in wanted}


def used_spans(supernet: Elastic, arch: Any, phase: int) -> dict[str, tuple]:
    """Map each key to the spans that a forward of the architecture takes of it."""
    names = {
        id(t): name
        for name, t in itertools.chain(supernet.named_parameters(), supernet.named_buffers())
    }
    before, flags = (supernet.arch, supernet.phase), _training_flags(supernet)
    weight = next(supernet.parameters())
    try:
        supernet.eval()
        supernet.set_arch(arch, phase)
        side = -(-64 * WHOLE // getattr(supernet, 'backbone', supernet).percent)
        shape = (1, image_channels(supernet), side, side)
        probe = torch.zeros(shape, device=weight.device, dtype=weight.dtype)
        with torch.no_grad(), recorded_takes() as taken:
            supernet(probe)
    finally:
        supernet.set_arch(*before)
        for module, training in flags:
            module.training = training
    return {names[i]: spans for i, spans in taken.items() if i in names}


def _training_flags(module: nn.Module) -> list[tuple[nn.Module, bool]]:
    return [(m, m.training) for m in module.modules()]
