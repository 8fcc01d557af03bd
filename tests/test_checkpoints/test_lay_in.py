"""A network laid into a supernet: active there, it computes what it computed alone."""

from __future__ import annotations

import itertools

import pytest
import torch

from nasvit_mm import create_model, get_space
from nasvit_mm.checkpoints import extract_subnet, lay_in
from nasvit_mm.errors import ArchitectureError
from nasvit_mm.family import FAMILIES
from nasvit_mm.nn import SHARING, Span, put, take, tiling
from tests.families import SPACES, randomised, small

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


# Spaces in which only the depths, kernels and hidden widths differ, which can all be filled up so
# that the largest network computes what the member does.
ROOMS = {
    'nasvit': lambda arch: dict(resolution=32, width=[[w] for w in arch.width]),
    'elasticvit': lambda arch: dict(
        resolution=32, width=[[w] for w in arch.width], v_scale=[[v] for v in arch.v_scale]
    ),
    'vitas_twins': lambda arch: dict(
        width=[[w] for w in arch.width],
        heads=[c[:1] if c[0] else c[:2] for c in get_space('vitas_twins').field('heads').choices],
        head_dim=[[16]] * len(arch.heads),
    ),
    'vitas_deit_small': lambda arch: dict(
        patch_size=16, width=arch.width, heads=[[0, 3]] * 16, qkv_width=[[144]] * 16
    ),
}


@pytest.mark.parametrize('space', ROOMS)
def test_the_largest_begins_as_the_member_where_that_is_possible(space):
    whole = small(space)
    room = whole.restrict(**ROOMS[space](whole.smallest))
    torch.manual_seed(0)
    alone = randomised(create_model(room, room.smallest, num_classes=5)).eval()
    options = dict(sharing='ordinal') if hasattr(alone.backbone, 'RULES') else {}
    net = randomised(create_model(room, num_classes=5, **options)).eval()
    lay_in(net, alone.state_dict(), alone.arch)
    with torch.no_grad():
        assert room.largest != room.smallest
        assert torch.allclose(net(image(space)), alone(image(space)), atol=1e-5)


def test_a_member_of_another_space_is_refused():
    with pytest.raises(ArchitectureError, match='given to space'):
        lay_in(supernet('nasvit'), {}, small('elasticvit').smallest)


@pytest.mark.parametrize(
    'spans', [Span(2, 3, 7), Span(5, 4, 7), (Span(1, 2, 8), Span(5, 2, 8)), None]
)
def test_put_writes_where_take_reads(spans):
    size = 7 if spans is None or isinstance(spans, Span) else 8
    weight = torch.zeros(2, size)
    value = torch.arange(1.0, 1 + take(weight, None, spans).numel()).view(2, -1)
    put(weight, value, None, spans)
    assert torch.equal(take(weight, None, spans), value)
    assert (weight != 0).sum() == value.numel()
    with pytest.raises(ValueError, match='value of shape'):
        put(weight, value[:1], None, spans)


def test_entries_beyond_a_span_repeat_it_in_order():
    assert tiling(Span(0, 3, 8), 8).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert tiling(Span(6, 3, 8), 8).tolist() == [2, 0, 1, 2, 0, 1, 0, 1]
    areas = (Span(0, 2, 8), Span(4, 2, 8))
    assert tiling(areas, 8).tolist() == [0, 1, 0, 1, 2, 3, 2, 3]
    assert tiling(None, 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize('space', SPACES)
def test_channels_in_order_of_importance_compute_the_same(space):
    alone = member(space)
    with torch.no_grad():
        before = alone(image(space))
        blocks = [m for m in alone.modules() if hasattr(m, 'order_hidden')]
        for block in blocks:
            block.order_hidden()
        assert torch.allclose(alone(image(space)), before, atol=1e-5)
    for block in blocks:
        last = block.fc2 if hasattr(block, 'fc2') else block.project
        weight = last.weight.abs().flatten(2).sum(2) if last.weight.ndim == 4 else last.weight.abs()
        importance = weight.sum(0)
        if getattr(block, 'expand', block) is not None:
            assert (importance.diff() <= 1e-6).all()
