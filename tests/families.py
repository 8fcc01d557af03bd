"""What the parametrised tests of all families share."""
from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import nn

from nasvit_mm import Arch, create_model, get_space
from nasvit_mm.backbones import FAMILIES
from nasvit_mm.nn import recorded_takes, take

SPACES = sorted(FAMILIES)
NAMED = [(space, name) for space in SPACES for name in get_space(space).named]


def sampled(space: str, n: int, seed: int = 0) -> list[Arch]:
    """The smallest, the largest and some random architectures."""
    space = get_space(space)
    return [space.smallest, space.largest, *space.sample(seed, n)]


def backbone(space: str, arch: Any = 'supernet', seed: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    return randomised(FAMILIES[space][0](arch, space, **options))


def classifier(space: str, arch: Any = None, seed: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    return randomised(create_model(space, arch, **options))


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
