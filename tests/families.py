"""What the parametrised tests of all families share."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import nn

from nasvit_mm import Arch, create_model, get_space
from nasvit_mm.family import FAMILIES
from nasvit_mm.nn import recorded_takes, take
from nasvit_mm.spaces import SlotSpace, Space

SPACES = sorted(FAMILIES)
# One space of every network: what differs between spaces of one family is their tables.
NETWORKS = sorted(next(iter(family.spaces)) for family in FAMILIES.unique())
NAMED = [(space, name) for space in SPACES for name in get_space(space).named]


def sampled(space: str | Space, n: int, seed: int = 0) -> list[Arch]:
    """The smallest, the largest and some random architectures."""
    space = get_space(space)
    return [space.smallest, space.largest, *space.sample(seed, n)]


def small(space: str | Space) -> Space:
    """A space of the same kind whose supernet is quick to build: big ones have 150 M weights."""
    space = get_space(space)
    if not isinstance(space, SlotSpace):
        return space
    fields = {}
    for field in space.fields:
        if field.name in ('width', 'qkv_width', 'mlp_width'):
            choices = [c[:3] for c in field.choices]
            fields[field.name] = choices if field.positions else choices[0]
    return space.restrict(**fields)


def tiny(space: str) -> Space:
    """Few enough members to list them all, with the kinds of rules of the whole space."""
    space = get_space(space)
    fields = {
        f.name: [c[:1] for c in f.choices] if f.positions else f.choices[0][:1]
        for f in space.fields
    }
    if isinstance(space, SlotSpace):
        group = space.groups[-1]
        first, last = group[0], group[1]
        for name in ('heads', *space.slot_fields):
            for slot in range(first, last + 1):
                fields[name][slot] = space.field(name).choices[slot][:2]
        fields['width'] = (
            [c[:2] for c in space.field('width').choices]
            if space.field('width').positions
            else space.field('width').choices[0][:2]
        )
    else:
        fields['resolution'] = space.field('resolution').choices[0][-2:]
        fields['width'] = [c[:2] for c in space.field('width').choices]
    return space.restrict(**fields)


def backbone(space: str, arch: Any = 'supernet', seed: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    of = small(space) if arch == 'supernet' else space
    return randomised(FAMILIES[space].part('backbone')(arch, of, **options))


def classifier(space: str, arch: Any = None, seed: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    return randomised(create_model(small(space) if arch is None else space, arch, **options))


@torch.no_grad()
def randomised(model: nn.Module) -> nn.Module:
    """Weights under which every branch matters: many start at zero or nearly so."""
    for name, tensor in itertools.chain(model.named_parameters(), model.named_buffers()):
        if not tensor.is_floating_point():
            continue
        if 'scale' in name:
            tensor.normal_(tensor.shape[-1] / 16, 0.5)
        elif name.endswith('running_var'):
            tensor.uniform_(0.5, 1.5)
        elif tensor.ndim == 1:
            tensor.normal_(1.0 if name.endswith('weight') else 0.0, 0.1)
    return model


@torch.no_grad()
def poison(model: nn.Module, forward: Any) -> int:
    """Fill with NaN every weight that ``forward()`` does not take; returns how many."""
    with recorded_takes() as taken:
        forward()
    poisoned = 0
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        if not tensor.is_floating_point():
            continue
        active = torch.zeros(tensor.shape, dtype=torch.bool)
        if id(tensor) in taken:
            index = torch.arange(tensor.numel()).view(tensor.shape)
            active.view(-1)[take(index, *taken[id(tensor)]).flatten()] = True
        tensor[~active] = float('nan')
        poisoned += int((~active).sum())
    return poisoned
