"""What is special in the ViTAS networks: sharing, private weights, rules, any size."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nasvit_mm import create_model, get_space
from nasvit_mm.checkpoints import extract_subnet
from nasvit_mm.errors import ArchitectureError
from nasvit_mm.families.vitas.network import Attention, BlockPlan, PatchEmbed, ViTAS
from nasvit_mm.families.vitas_twins.network import LocalAttention, TwinsViTAS
from nasvit_mm.nn import SHARING, Span, recorded_takes, take, windows
from nasvit_mm.spaces.geometry import window_side
from tests.commands import agree
from tests.families import backbone, classifier, small

PLAIN = ['vitas_deit_small', 'vitas_deit_block', 'vitas_deit_base']
SPACES = [*PLAIN, 'vitas_twins']


def picture(*size: int, batch: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------ sharing
# Axes of a parameter that are the token width, by the end of its name.
TOKEN_AXES = [
    (re.compile(pattern), axes)
    for pattern, axes in (
        (r'(cls_token|position)$', (2,)),
        (r'norm\d?\.(weight|bias)$|\.norm\.(weight|bias)$', (0,)),
        (r'(stems\.\d+|attn)\.proj\.(weight|bias)$|embeds\.\d\.proj\.(weight|bias)$', (0,)),
        (r'attn\.(qk|q|k)\.\d+\.weight$|attn\.v\.weight$|fc1\.weight$|classifier\.weight$', (1,)),
        (r'fc2\.(weight|bias)$|reduce\.(weight|bias)$|pegs\.\d\.(weight|bias)$', (0,)),
        (r'reduce\.weight$', (1,)),
    )
]


@pytest.mark.parametrize('rule', SHARING)
@pytest.mark.parametrize('space', SPACES)
def test_one_index_set_wherever_a_token_width_is_used(space, rule):
    """Stem, class token, positions, norms, columns of q, k and v, projections, classifier."""
    model = create_model(small(space), num_classes=11, resize=False, sharing=rule).eval()
    net, starts = model.backbone, set()
    assert net.phases == (1 if rule == 'ordinal' else 2)
    for arch in net.space.sample(3, 4):
        for phase in range(net.phases):
            model.set_arch(arch, phase)
            with torch.no_grad(), recorded_takes() as taken:
                model(picture(64, 64))
            checked = 0
            for name, p in model.named_parameters():
                stage = re.search(r'(stages|embeds|pegs)\.(\d)', name)
                plan = (
                    net.plan
                    if space != 'vitas_twins'
                    else net.plan.stages[int(stage[2]) if stage else -1]
                )
                for pattern, axes in TOKEN_AXES:
                    for axis in axes if pattern.search(name) and id(p) in taken else ():
                        assert taken[id(p)][axis] == plan.channels, (name, axis)
                        checked += 1
            blocks = sum(net.space.depths(arch))
            assert checked > 11 * blocks
            starts.add(plan.channels.start)
    assert (len(starts) > 1) == (rule != 'ordinal')


@pytest.mark.parametrize('space', PLAIN)
def test_inner_width_is_one_set_in_q_k_v_and_projection(space):
    net = ViTAS(space=small(space)).eval()
    for arch in net.space.sample(0, 5):
        for phase in (0, 1):
            net.set_arch(arch, phase)
            for _, plan in net.plan.blocks:
                rows = torch.arange(2 * plan.inner.size)
                q, k = take(rows, plan.rows).chunk(2)
                v = take(torch.arange(plan.inner.size), plan.inner)
                assert torch.equal(q, v) and torch.equal(k - plan.inner.size, v)


@pytest.mark.parametrize('space', SPACES)
def test_spans_wrap(space):
    """Cyclic sharing puts some channels across the end of the axis."""
    net = backbone(space)
    wrapped = 0
    for arch in net.space.sample(0, 20):
        for phase in (0, 1):
            net.set_arch(arch, phase)
            stages = net.plan.stages if space == 'vitas_twins' else [net.plan]
            wrapped += sum(
                s.channels.start + s.channels.width > s.channels.size
                and s.channels.width < s.channels.size
                for s in stages
            )
    assert wrapped > 3


# ------------------------------------------------------------------ private weights
@pytest.mark.parametrize('space', PLAIN)
def test_gradients_reach_every_patch_size(space):
    """In the public code only the first stem is ever trained."""
    model = classifier(space)
    for patch in model.space.field('patch_size').choices[0]:
        model.zero_grad()
        model.set_arch(model.space.sample(0).replace(patch_size=patch))
        model(picture(96, 96)).sum().backward()
        for name, p in model.backbone.stems.named_parameters():
            assert (p.grad is not None and bool(p.grad.any())) == name.startswith(f'{patch}.')


@pytest.mark.parametrize('space', SPACES)
def test_unused_private_weights_rest(space):
    """Bit-unchanged by AdamW, also with momentum of an earlier step and weight decay."""
    model = classifier(space, num_classes=5, resize=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    archs = model.space.sample(8, 6)
    for arch in archs:
        model.set_arch(arch)
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        optimizer.zero_grad()
        with recorded_takes() as taken:
            loss = model(picture(64, 64, batch=2)).logsumexp(1).sum()
        loss.backward()
        optimizer.step()
        unused = [n for n, p in model.named_parameters() if id(p) not in taken]
        assert any('attn' in n for n in unused)
        for name, p in model.named_parameters():
            assert torch.equal(p, before[name]) == (name in unused), name


def test_unused_private_weights_rest_in_two_processes():
    agree(Path(__file__).parent / 'private_weights_script.py')


# ------------------------------------------------------------------ rules in the checkpoint
def test_a_checkpoint_brings_its_rules_along():
    space = small('vitas_deit_small')
    options = dict(sharing='bilateral', qk_rows='joint', attention_scale=128)
    theirs = create_model(space, num_classes=3, **options).eval()
    ours = create_model(space, num_classes=3).eval()
    assert (ours.backbone.sharing, theirs.backbone.sharing) == ('cyclic', 'bilateral')
    ours.load_state_dict(theirs.state_dict())
    arch = space.sample(3)
    for phase in (0, 1):
        ours.set_arch(arch, phase), theirs.set_arch(arch, phase)
        with torch.no_grad():
            assert torch.equal(ours(picture(64, 64)), theirs(picture(64, 64)))
        subnet = extract_subnet(ours, arch, phase)  # keeps the scale it was trained with
        fresh = create_model(space, arch, num_classes=3).eval()
        fresh.load_state_dict(subnet.state_dict())
        with torch.no_grad():
            torch.testing.assert_close(fresh(picture(64, 64)), theirs(picture(64, 64)))
    single = create_model(space, arch, num_classes=3, sharing='cyclic')  # has nothing to share
    single.load_state_dict(subnet.state_dict())
    for options, message in (
        (dict(sharing='ordinal'), "sharing='bilateral'.*'ordinal'"),
        (dict(attention_scale='head_dim'), 'attention_scale=128'),
    ):
        with pytest.raises(RuntimeError, match=message):
            create_model(space, num_classes=3, **options).load_state_dict(theirs.state_dict())
    with pytest.raises(RuntimeError, match='attention_scale=128'):
        create_model(space, arch, num_classes=3, attention_scale='head_dim').load_state_dict(
            subnet.state_dict()
        )
    broken = {**theirs.state_dict(), 'backbone.rules': torch.tensor([-9, -1, -1])}
    with pytest.raises(RuntimeError, match='unknown sharing'):
        ours.load_state_dict(broken)


def test_wrong_rules():
    for options, message in (
        (dict(sharing='spiral'), "sharing = 'spiral', allowed: ordinal"),
        (dict(qk_rows='both'), "qk_rows = 'both', allowed: separate, joint"),
        (dict(attention_scale=-3), 'attention_scale = -3.*positive int'),
    ):
        with pytest.raises(ValueError, match=message):
            ViTAS('vitas_a', **options)
    with pytest.raises(ValueError, match='serves vitas_twins, not the space'):
        TwinsViTAS('smallest', space='vitas_deit_small')
    with pytest.raises(ValueError, match='phase = 1'):
        create_model(small('vitas_twins'), sharing='ordinal').set_arch('smallest', 1)


def test_the_space_of_a_named_architecture():
    assert ViTAS('vitas_c').space.name == 'vitas_deit_block'
    assert ViTAS(get_space('vitas_deit_base').named['vitas_f'].to_dict()).arch.width == 307
    with pytest.raises(ArchitectureError, match='vitas_x'):
        ViTAS('vitas_x')


@pytest.mark.parametrize(('rule', 'expected'), [('token_width', 76), ('head_dim', 48), (128, 128)])
def test_attention_scale(rule, expected):
    net = ViTAS('vitas_c', attention_scale=rule)
    assert {block.scale for _, block in net.plan.blocks} == {expected**-0.5}


# ------------------------------------------------------------------ any size
@pytest.mark.parametrize('patch', [14, 16, 32])
def test_positions_and_padding(patch):
    torch.manual_seed(0)
    stem, whole = PatchEmbed(patch, 24), Span.whole(24)
    nn.init.normal_(stem.position)
    grid = 224 // patch
    with torch.no_grad():
        zeros = torch.zeros(1, 3, 224, 224)
        tokens, found = stem(zeros, whole)
        assert found == (grid, grid)
        bare = stem.proj.bias.expand(1, grid**2, 24)
        torch.testing.assert_close(tokens[:, 1:], bare + stem.position[:, 1:])
        # Twice the height: positions are interpolated along it, and those of a column stay its own.
        tall, found = stem(torch.zeros(1, 3, 448, 224), whole)
        assert found == (2 * grid, grid)
        table = stem.position[:, 1:].transpose(1, 2).unflatten(2, (grid, grid))
        for column in range(grid):
            only = table[..., column : column + 1].expand(-1, -1, -1, 4)
            wide = F.interpolate(only, (2 * grid, 4), mode='bicubic', align_corners=False)
            ours = (tall[:, 1:] - stem.proj.bias).transpose(1, 2).unflatten(2, found)
            torch.testing.assert_close(ours[..., column], wide[..., 0], rtol=1e-4, atol=1e-4)
        # Padding: zeros on the right and at the bottom, up to a multiple of the patch.
        x = picture(patch * 3 - 5, patch * 2 + 1)
        padded = F.pad(x, (0, patch - 1, 0, 5))
        for a, b in zip(stem(x, whole), stem(padded, whole)):
            assert torch.equal(a, b) if torch.is_tensor(a) else a == b == (3, 3)


@pytest.mark.parametrize('grid', [(16, 7), (20, 21), (30, 5)])
def test_windows_of_patches_with_a_class_token(grid):
    """Against attention over all tokens with a mask."""
    torch.manual_seed(0)
    module, whole = Attention(12, 12, (3,)), Span.whole(12)
    plan = BlockPlan(whole, 3, whole, Span.whole(24), whole, 0.5, 0.0)
    x, window = torch.randn(2, 1 + grid[0] * grid[1], 12), 14
    side = [window_side(n, window) for n in grid]
    y, z = torch.arange(grid[0]) // side[0], torch.arange(grid[1]) // side[1]
    place = (y[:, None] * 100 + z).flatten()
    allowed = torch.ones(len(place) + 1, len(place) + 1, dtype=torch.bool)
    allowed[1:, 1:] = place[:, None] == place
    with torch.no_grad():
        qk = module.qk[3](x, whole, Span.whole(24))
        q, k = (t.unflatten(-1, (3, 4)).transpose(1, 2) for t in qk.chunk(2, -1))
        v = module.v(x, whole, whole).unflatten(-1, (3, 4)).transpose(1, 2)
        out = F.scaled_dot_product_attention(q, k, v, allowed, scale=0.5)
        expected = module.proj(out.transpose(1, 2).flatten(2), whole, whole)
        torch.testing.assert_close(module(x, plan, grid, window), expected, rtol=1e-4, atol=1e-5)
        if max(grid) > 14:
            assert not torch.allclose(module(x, plan, grid, None), expected)


def test_strides_of_the_pyramid():
    """True strides: a map's pixel i covers the picture from stride * i on."""
    for patch, strides in ((14, [3.5, 7, 14, 28]), (16, [4, 8, 16, 32]), (32, [8, 16, 32, 64])):
        space = get_space('vitas_deit_small').restrict(patch_size=patch)
        net = ViTAS('smallest', space=space).eval()
        assert net.out_strides == strides
        x = picture(224, 224)
        changed = x.clone()
        changed[:, :, patch * 4 : patch * 5, patch * 2 : patch * 3] += 1
        with torch.no_grad():
            stem = net.stems[patch]
            difference = (
                (stem(changed, net.plan.channels)[0] - stem(x, net.plan.channels)[0])
                .abs()
                .sum(2)[0, 1:]
            )
            assert difference.nonzero().tolist() == [[4 * (224 // patch) + 2]]
            for a, b, stride in zip(net(changed), net(x), strides):
                moved = (a - b).abs().sum(1)[0]
                y, z = divmod(int(moved.argmax()), moved.shape[1])
                assert patch * 4 <= (y + 0.5) * stride <= patch * 5 or stride > patch
                assert patch * 2 <= (z + 0.5) * stride <= patch * 3 or stride > patch


# ------------------------------------------------------------------ Twins
def test_poisoned_padding_leaves_real_tokens_unchanged(monkeypatch):
    net, pads = backbone('vitas_twins', 'twins_tiny').eval(), []
    x = picture(200, 296)
    with torch.no_grad():
        expected = net(x)
        pad = F.pad
        monkeypatch.setattr(
            windows,
            'F',
            SimpleNamespace(pad=lambda t, sides: pads.append(sides) or pad(t, sides, value=1e4)),
        )
        for a, b in zip(net(x), expected):
            assert torch.equal(a, b)
    assert len(pads) > 12  # q, k and v of the local blocks, all of whose grids need padding


def test_padding_keys_by_choice():
    """Masked: as if windows were smaller; else zeros take part, as in the authors' detectors."""
    torch.manual_seed(0)
    module, whole = LocalAttention(12, (2,), 6), Span.whole(12)
    plan = SimpleNamespace(channels=whole, heads=2, rows=whole, inner=whole)
    x = torch.randn(1, 9 * 5, 12)
    with torch.no_grad():
        masked, free = (module(x, plan, (9, 5), m) for m in (True, False))
        assert not torch.allclose(masked, free)
        lone = module(x.view(1, 9, 5, 12)[:, 7:].reshape(1, 10, 12), plan, (2, 5), True)
        torch.testing.assert_close(masked[:, 35:], lone)
        zeros = F.pad(x.view(1, 9, 5, 12), (0, 0, 0, 2, 0, 5)).view(1, 14 * 7, 12)
        whole_windows = module(zeros, plan, (14, 7), True).view(1, 14, 7, 12)
        torch.testing.assert_close(free.view(1, 9, 5, 12), whole_windows[:, :9, :5])
