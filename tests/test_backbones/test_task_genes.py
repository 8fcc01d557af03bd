"""The genes of the task that a backbone obeys: scale of the input, and width of the taps."""

from __future__ import annotations

import pytest
import torch

from nasvit_mm.checkpoints import extract_subnet, save_weights
from nasvit_mm.cost import count
from nasvit_mm.dense import trace
from nasvit_mm.family import FAMILIES
from nasvit_mm.spaces import Space
from tests.families import NETWORKS, poison, randomised, small

SIZE = (150, 200)


def searched(name: str) -> Space:
    return small(name).with_task(dict(scale=[50, 75, 100], taps=[8, 24]))


def supernet(name: str, space: Space) -> torch.nn.Module:
    torch.manual_seed(0)
    return randomised(FAMILIES[name].part('backbone')('supernet', space, out_width=24)).eval()


@pytest.mark.parametrize('name', NETWORKS)
def test_a_subnet_is_the_supernet_and_costs_what_is_counted(name):
    space = searched(name)
    whole = supernet(name, space)
    x = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    for scale, taps in ((50, 24), (75, 8)):
        arch = space.sample(0).replace(scale=scale, taps=taps)
        subnet = extract_subnet(whole, arch)
        assert not subnet.space.task and subnet.options['input_scale'] == scale
        whole.set_arch(arch)
        with torch.inference_mode():
            found = whole(x)
            for a, b in zip(found, subnet(x)):
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
        assert [m.shape[1] for m in found] == whole.out_channels == [taps] * len(found)
        cost = count(space, arch, SIZE, 'backbone', whole.out_indices)
        assert cost.macs == trace(subnet, SIZE)
        assert cost.params == sum(p.numel() for p in subnet.parameters())


def test_the_network_computes_at_the_scaled_size():
    plain = supernet('nasvit', searched('nasvit'))
    x = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    small_x = torch.nn.functional.interpolate(x, (75, 100), mode='bilinear')
    arch = plain.space.smallest
    with torch.inference_mode():
        plain.set_arch(arch.replace(scale=50))
        scaled = plain(x)
        plain.set_arch(arch.replace(scale=100))
        assert all(torch.equal(a, b) for a, b in zip(scaled, plain(small_x)))


def test_no_weight_of_wider_taps_is_read():
    net = supernet('nasvit', searched('nasvit'))
    net.set_arch(net.space.largest.replace(taps=8))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = net(x)
        assert poison(net, lambda: net(x))
        assert all(torch.equal(a, b) for a, b in zip(net(x), expected))


def test_an_architecture_brings_its_genes_to_a_backbone():
    space = searched('nasvit')
    arch = space.smallest
    for form in (arch, str(arch), arch.to_dict()):
        net = FAMILIES['nasvit'].part('backbone')(form)
        assert net.arch == arch and net.percent == 50 and set(net.out_channels) == {8}


@pytest.mark.parametrize(
    'options, said',
    [
        (dict(), 'give the backbone out_width=24'),
        (dict(out_width=48), 'give the backbone out_width=24'),
        (dict(out_width=24, input_scale=50), 'leave input_scale out'),
        (dict(out_width=24, input_scale=0), 'input_scale'),
    ],
)
def test_options_that_contradict_the_genes(options, said):
    with pytest.raises(ValueError, match=said):
        FAMILIES['nasvit'].part('backbone')('supernet', searched('nasvit'), **options)


def test_too_small_an_input():
    space = searched('nasvit')
    with pytest.raises(ValueError, match='at a scale of 50 %'):
        count(space, 'smallest', (40, 40), 'backbone')
    net = FAMILIES['nasvit'].part('backbone')(space.smallest)
    with pytest.raises(ValueError, match='at a scale of 50 %'):
        net(torch.zeros(1, 3, 40, 40))


def test_a_network_begins_with_such_a_supernet(tmp_path):
    """As with one without the genes: sliced out, whatever scale it computes at."""
    whole = supernet('nasvit', searched('nasvit'))
    state = {f'backbone.{key}': value for key, value in whole.state_dict().items()}
    save_weights(tmp_path / 'supernet.pth', state, whole.space, None)
    arch, _ = whole.space.split('smallest')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'supernet.pth'))
    net = FAMILIES['nasvit'].part('backbone')(arch, out_width=24, input_scale=50, init_cfg=init)
    net.init_weights()
    expected = extract_subnet(whole, arch).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in net.state_dict().items())
