"""What holds for the network of every family, as supernet and as subnet."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nasvit_mm import create_model, get_space
from nasvit_mm.checkpoints import extract_subnet
from nasvit_mm.family import FAMILIES
from nasvit_mm.nn import ElasticBatchNorm2d
from nasvit_mm.spaces import SlotSpace
from tests.families import NAMED, NETWORKS, SPACES, backbone, classifier, poison, sampled, small

CASES = [(space, i) for space in NETWORKS for i in range(3)]  # smallest, largest, a random one


def picture(*size: int, batch: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=CASES, ids=lambda c: f'{c[0]}-{c[1]}')
def case(request):
    space, i = request.param
    return space, sampled(small(space), 1)[i]


def assert_same(a: torch.Tensor, b: torch.Tensor) -> None:
    """Equal but for the order of sums: a matrix product over a view may take another kernel."""
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(('space', 'name'), NAMED)
def test_named_architectures_run(space, name):
    model = create_model(space, name, num_classes=7).eval()
    side = model.arch.resolution
    with torch.inference_mode():
        assert model(picture(side, side, batch=1)).shape == (1, 7)


@pytest.mark.parametrize('space', SPACES)
def test_what_is_printed_of_an_architecture_is_one_for_a_backbone(space):
    arch = get_space(space).smallest
    kind = FAMILIES[space].part('backbone')
    assert kind.read_space(str(arch), None) == get_space(space).only(arch)


def test_subnet_equals_supernet(case):
    """Classifier, every output and the taps: same function, plain shapes, no shared storage."""
    space, arch = case
    supernet = classifier(space).eval()
    x, logits = picture(arch.resolution, arch.resolution), []
    for phase in range(supernet.backbone.phases):
        subnet = extract_subnet(supernet, arch, phase)
        supernet.set_arch(arch, phase)
        with torch.inference_mode():
            logits.append(subnet(x))
            assert_same(supernet(x), logits[-1])
    assert len(logits) == 1 or arch == small(space).largest or not torch.allclose(*logits)
    theirs = {t.untyped_storage().data_ptr() for t in supernet.state_dict().values()}
    assert not any(t.untyped_storage().data_ptr() in theirs for t in subnet.state_dict().values())
    outputs = range(len(FAMILIES[space].part('backbone').strides))
    supernet = backbone(space, out_width=24, out_indices=outputs).eval()
    subnet = extract_subnet(supernet, arch)
    assert supernet.arch == small(space).largest  # left as it was
    supernet.set_arch(arch)
    x = picture(70, 135)
    with torch.inference_mode():
        for a, b in zip(supernet(x), subnet(x)):
            assert_same(a, b)


def test_training_step_of_subnet_equals_supernet(case):
    """Train mode: same outputs, and the supernet's gradients are the subnet's, sliced."""
    space, arch = case
    supernet = backbone(space).train()
    subnet = extract_subnet(supernet, arch)
    assert subnet.training
    supernet.set_arch(arch)
    x = picture(64, 96)
    for model in (supernet, subnet):
        sum((y**2).mean() for y in model(x)).backward()
    ours, theirs = dict(supernet.named_parameters()), dict(subnet.named_parameters())
    for name, parameter in theirs.items():
        # Every active entry of the supernet's gradient is an entry of the subnet's, and the rest
        # is zero: equal sums and norms say so.
        torch.testing.assert_close(
            ours[name].grad.double().sum(), parameter.grad.double().sum(), rtol=1e-3, atol=1e-4
        )
        torch.testing.assert_close(
            ours[name].grad.double().norm(), parameter.grad.double().norm(), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize('mode', ['train', 'eval'])
def test_nothing_outside_the_active_spans_is_read(case, mode):
    space, arch = case
    supernet = backbone(space, out_width=16).train(mode == 'train')
    x = picture(64, 96)
    supernet.set_arch(arch, supernet.phases - 1)
    expected = [y.detach() for y in supernet(x)]  # without gradients other kernels may run
    poisoned = poison(supernet, lambda: supernet(x))
    assert poisoned or arch == small(space).largest
    out = supernet(x)
    for y, z in zip(out, expected):
        assert torch.equal(y, z)
    sum(y.mean() for y in out).backward()
    gradients = [p.grad for p in supernet.parameters() if p.grad is not None]
    assert gradients and all(g.isfinite().all() for g in gradients)


def test_running_other_architectures_changes_nothing(case):
    space, arch = case
    supernet = classifier(space, resize=False).eval()
    subnet = extract_subnet(supernet, arch)
    x = picture(64, 96)
    with torch.inference_mode():
        before = subnet(x)
        supernet.set_arch(arch)
        first = supernet(x)
        for other in sampled(small(space), 3, seed=9):
            supernet.set_arch(other)
            supernet(x)
        assert torch.equal(subnet(x), before)
        supernet.set_arch(arch)
        assert torch.equal(supernet(x), first)
        # Training the supernet moves it, and leaves the subnet alone.
    supernet.train()
    supernet(picture(96, 96)).sum().backward()
    with torch.no_grad():
        for p in supernet.parameters():
            if p.grad is not None:
                p -= 0.1 * p.grad
        assert torch.equal(subnet(x), before)


@pytest.mark.parametrize(('kind', 'training'), [('supernet', True), ('subnet', False)])
@pytest.mark.parametrize('space', NETWORKS)
def test_any_size_and_a_batch_of_one(space, kind, training):
    arch = 'supernet' if kind == 'supernet' else 'smallest'
    net = backbone(space, arch, out_indices=range(len(FAMILIES[space].part('backbone').strides)))
    net.train(training)
    for height, width in ((96, 160), (131, 77), (64, 64)):
        for batch in (1, 2):
            if training and batch == 1 and max(height, width) <= 64:
                continue  # one value per channel at the last stage: no batch statistics
            with torch.no_grad():
                out = net(picture(height, width, batch=batch))
            for y, channels, stride in zip(out, net.out_channels, net.out_strides, strict=True):
                # Twins' stages round down, the others up.
                down = net.spaces == ('vitas_twins',)
                side = [n // stride if down else -(-n // stride) for n in (height, width)]
                assert y.shape == (batch, channels, *side)
                assert y.isfinite().all()
    model = classifier(space, None if kind == 'supernet' else arch, num_classes=5)
    model.train(training)
    assert model(picture(96, 128, batch=1)).shape == (1, 5)


@pytest.mark.parametrize('space', NETWORKS)
def test_batch_of_one_equals_its_row(space):
    model = classifier(space, 'smallest').eval()
    side = model.arch.resolution
    x = picture(side, side, batch=3)
    with torch.inference_mode():
        torch.testing.assert_close(model(x[1:2]), model(x)[1:2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('space', NETWORKS)
def test_classifier_resizes_what_the_authors_resize(space, monkeypatch):
    model = classifier(space, 'smallest').eval()
    side = model.arch.resolution
    limit = model.backbone.max_resolution
    sizes, features = [], model.backbone.features
    monkeypatch.setattr(
        model.backbone, 'features', lambda x: sizes.append(tuple(x.shape[2:])) or features(x)
    )
    for size in ((side, side), (limit, limit), (side, limit), (limit, side), (limit + 16, 64)):
        model(picture(*size, batch=1))
    assert sizes == [(side, side)] * 4 + [(limit + 16, 64)]
    model.resize = True
    model(picture(limit + 16, 64, batch=1))
    model.resize = False
    model(picture(limit, side, batch=1))
    assert sizes[5:] == [(side, side), (limit, side)]
    with pytest.raises(ValueError, match='resize'):
        create_model(space, 'smallest', resize='yes')


@pytest.mark.parametrize('space', NETWORKS)
def test_checkpointing_changes_nothing_but_memory(space):
    """Loss, gradients, BN statistics and the number of batches seen, drop path included."""
    results = []
    for with_cp in (False, True):
        net = backbone(space, with_cp=with_cp, drop_path_rate=0.3).train()
        torch.manual_seed(1)
        loss = sum((y**2).mean() for y in net(picture(64, 96, batch=4)))
        loss.backward()
        results.append((loss, {n: p.grad for n, p in net.named_parameters()}, net.state_dict()))
    (loss, grads, state), (loss_cp, grads_cp, state_cp) = results
    assert torch.equal(loss, loss_cp)
    for name, grad in grads.items():
        assert (grad is None) == (grads_cp[name] is None)
        if grad is not None:
            assert torch.equal(grad, grads_cp[name]), name
    assert all(torch.equal(state[k], v) for k, v in state_cp.items())


@pytest.mark.parametrize('space', NETWORKS)
def test_channels_last(space):
    """The first convolution sees the layout asked for, and the maps are the same."""
    seen, maps, x = {}, {}, picture(64, 96)
    plain = backbone(space, small(space).largest).eval()
    for last in (False, True):
        net = backbone(space, small(space).largest, channels_last=last).eval()
        net.load_state_dict(plain.state_dict())
        first = next(m for m in net.modules() if isinstance(m, torch.nn.Conv2d))
        first.register_forward_pre_hook(
            lambda _, args, last=last: seen.update(
                {last: args[0].is_contiguous(memory_format=torch.channels_last)}
            )
        )
        maps[last] = net(x)
    assert seen == {False: False, True: True}
    for a, b in zip(maps[True], maps[False]):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('out_width', [None, 8])
@pytest.mark.parametrize('space', NETWORKS)
def test_maps_are_contiguous(space, out_width):
    """Heads of OpenMMLab take views of them, as DMNet's and CenterNet's do."""
    net = backbone(space, small(space).largest, out_width=out_width).eval()
    for layout in (torch.contiguous_format, torch.channels_last):
        maps = net(picture(64, 96, batch=2).contiguous(memory_format=layout))
        assert all(x.is_contiguous() for x in maps)


@pytest.mark.parametrize('space', NETWORKS)
def test_drop_path(space):
    x, arch = picture(64, 64), small(space).largest
    net = backbone(space, arch, drop_path_rate=0.5)
    twin = backbone(space, arch)
    with torch.no_grad():
        net.eval(), twin.eval()
        assert all(torch.equal(a, b) for a, b in zip(net(x), twin(x)))
        net.train()
        assert not torch.equal(net(x)[-1], net(x)[-1])


@pytest.mark.parametrize('space', NETWORKS)
def test_frozen_stages_and_norm_eval(space):
    net = backbone(space, 'smallest', frozen_stages=2, norm_eval=True).train()
    frozen = net.stem_and_stages()[:3]
    inside = {id(p) for m in frozen for p in m.parameters()}
    for p in net.parameters():
        assert p.requires_grad is (id(p) not in inside)
    assert not any(
        m.training for part in frozen for m in part.modules() if not isinstance(m, nn.ModuleList)
    )
    assert not any(m.training for m in net.modules() if isinstance(m, ElasticBatchNorm2d))
    before = {k: v.clone() for k, v in net.state_dict().items() if 'running' in k}
    net(picture(64, 64))
    assert all(torch.equal(net.state_dict()[k], v) for k, v in before.items())
    stem = backbone(space, 'smallest', frozen_stages=0)
    assert not any(p.requires_grad for p in stem.stem_and_stages()[0].parameters())
    assert all(p.requires_grad for p in stem.stem_and_stages()[1].parameters())
    fixed = backbone(space, 'smallest', norm_cfg=dict(type='BN', requires_grad=False))
    for norm in (m for m in fixed.modules() if isinstance(m, ElasticBatchNorm2d)):
        assert not norm.weight.requires_grad


@pytest.mark.parametrize('space', NETWORKS)
def test_norm_cfg(space):
    net = backbone(space, 'smallest', norm_cfg=dict(type='SyncBN', eps=1e-3, momentum=0.2))
    norms = [m for m in net.modules() if isinstance(m, ElasticBatchNorm2d)]
    assert bool(norms) is not space.startswith('vitas')  # which have no batch norm
    assert all(m.sync and m.eps == 1e-3 and m.momentum == 0.2 for m in norms)
    net.train()(picture(64, 96))  # alone, synchronised statistics are the plain ones


@pytest.mark.parametrize('space', NETWORKS)
def test_output_arguments(space):
    kind = FAMILIES[space].part('backbone')
    net = backbone(space, 'smallest', out_indices=(0, 2), out_width=(8, 24)).eval()
    assert net.out_channels == [8, 24]
    patch = net.arch.patch_size if 'patch_size' in net.arch.to_dict() else 16
    assert net.out_strides == [kind.strides[0] * patch // 16, kind.strides[2] * patch // 16]
    whole, net = backbone(space, 'smallest'), backbone(space, 'smallest', out_indices=(0, 2))
    assert sum(p.numel() for p in net.parameters()) < sum(p.numel() for p in whole.parameters())
    supernet = backbone(space)
    widths = supernet.out_channels
    supernet.set_arch('smallest')
    assert supernet.out_channels == whole.out_channels and supernet.out_channels != widths


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(out_indices=(3, 1)), 'ascending'),
        (dict(out_indices=(0, 9)), 'ascending'),
        (dict(out_width=(8, 8)), 'out_width'),
        (dict(attention='local'), 'allowed: auto, global, window'),
        (dict(norm_cfg=dict(type='GN')), 'norm_cfg'),
        (dict(frozen_stages=99), 'frozen_stages = 99'),
        (dict(drop_path_rate=1.5), 'drop_path_rate = 1.5'),
    ],
)
@pytest.mark.parametrize('space', NETWORKS)
def test_wrong_arguments(space, options, message):
    with pytest.raises(ValueError, match=message):
        FAMILIES[space].part('backbone')('smallest', space, **options)


@pytest.mark.parametrize('space', NETWORKS)
def test_wrong_inputs(space):
    net = backbone(space, 'smallest')
    smallest = net.min_size
    net.eval()(picture(smallest, smallest))
    for size in ((smallest - 1, 96), (96, smallest - 1)):
        with pytest.raises(ValueError, match=rf'{size[0]} x {size[1]}.*{smallest}'):
            net(picture(*size))
    with pytest.raises(ValueError, match=r'\(N, 3, H, W\)'):
        net(torch.zeros(1, 4, 96, 96))
    with pytest.raises(ValueError, match='not in the space'):
        net.set_arch(get_space(space).largest)  # a subnet has one member
    with pytest.raises(ValueError, match='num_classes = -1'):
        create_model(space, num_classes=-1)


@pytest.mark.parametrize('space', NETWORKS)
def test_restricted_supernet(space):
    """Small pictures: resolutions that the full space does not have, fewer and smaller weights."""
    full = small(space)
    field = full.field('heads' if isinstance(full, SlotSpace) else 'depth')
    fewer = full.restrict(
        resolution=(64, 96), **{field.name: {field.positions[-1]: field.choices[-1][0]}}
    )
    model = create_model(fewer.to_dict(), num_classes=3)
    assert sum(p.numel() for p in model.parameters()) < sum(
        p.numel() for p in create_model(full, num_classes=3).parameters()
    )
    x = picture(32, 32)
    for arch in [fewer.smallest, fewer.largest, *fewer.sample(0, 3)]:
        model.set_arch(arch)
        assert model(x).shape == (2, 3)
        subnet = extract_subnet(model, arch).eval()
        model.eval()
        with torch.inference_mode():
            assert_same(model(x), subnet(x))
        model.train()
    with pytest.raises(ValueError, match='not in the space'):
        model.set_arch(full.largest)


@pytest.mark.parametrize('mode', ['global', 'window'])
@pytest.mark.parametrize('space', NETWORKS)
def test_attention_modes_agree_at_trained_sizes(space, mode):
    arch = small(space).largest
    exact, other = backbone(space, arch).eval(), backbone(space, arch, attention=mode).eval()
    other.load_state_dict(exact.state_dict())
    x = picture(arch.resolution, arch.resolution, batch=1)
    with torch.inference_mode():
        assert all(torch.equal(a, b) for a, b in zip(exact(x), other(x)))


@pytest.mark.parametrize('space', NETWORKS)
def test_global_attention_in_chunks(space, monkeypatch):
    """Without gradients, query rows are handled in chunks; with them, at once."""
    net = backbone(space, 'smallest', attention='global').eval()
    x = picture(320, 416, batch=1)
    whole = [y.detach() for y in net(x)]
    monkeypatch.setattr('nasvit_mm.nn.attention.CHUNK_ELEMENTS', 100_000)
    with torch.no_grad():
        for a, b in zip(whole, net(x)):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('space', NETWORKS)
def test_parameters_are_elastic_layers_or_plain(space):
    """Nothing but torch's own kinds of layers: exporters and optimizers see what they know."""
    net = backbone(space, 'smallest')
    known = (
        nn.Conv2d,
        nn.ConvTranspose2d,
        nn.Linear,
        nn.GroupNorm,
        nn.LayerNorm,
        ElasticBatchNorm2d,
    )
    bare = {
        type(m).__name__
        for m in net.modules()
        if list(m.parameters(recurse=False)) and not isinstance(m, known)
    }
    assert bare <= {'ElasticScale', 'RelativePositionBias', 'PatchEmbed'}
