"""A network laid into a supernet: active there, it computes what it computed alone."""

from __future__ import annotations

import itertools

import pytest
import torch

from nasvit_mm import create_model
from nasvit_mm.checkpoints import extract_subnet, lay_in
from nasvit_mm.errors import ArchitectureError
from nasvit_mm.family import FAMILIES
from nasvit_mm.nn import SHARING, Span, put, take, tiling
from tests.families import NETWORKS, SPACES, backbone, randomised, small

SHARED = [(space, rule, p) for space in SPACES for rule, p in itertools.product(SHARING, (0, 1))]


def supernet(space, **options):
    torch.manual_seed(1)
    return randomised(create_model(small(space), num_classes=5, **options))


def member(space, seed=3):
    torch.manual_seed(2)
    arch = small(space).sample(seed)
    return randomised(create_model(small(space), arch, num_classes=5)).eval()


def image(space):
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('space', SPACES)
def test_active_it_gives_the_members_outputs(space):
    net, alone = supernet(space).eval(), member(space)
    lay_in(net, alone.state_dict(), alone.arch)
    net.set_arch(alone.arch)
    with torch.no_grad():
        assert torch.equal(net(image(space)), alone(image(space)))
    back = extract_subnet(net, alone.arch).state_dict()
    sharing = {k: v for k, v in alone.state_dict().items() if not k.endswith('rules')}
    assert all(torch.equal(back[k], v) for k, v in sharing.items())


@pytest.mark.parametrize('space, rule, phase', SHARED)
def test_under_every_sharing_rule(space, rule, phase):
    options = dict(sharing=rule) if hasattr(FAMILIES[space].part('backbone'), 'RULES') else {}
    net, alone = supernet(space, **options).eval(), member(space)
    if phase >= net.backbone.phases:
        pytest.skip('the rule has one phase')
    lay_in(net, alone.state_dict(), alone.arch, phase)
    net.set_arch(alone.arch, phase)
    with torch.no_grad():
        assert torch.equal(net(image(space)), alone(image(space)))
