"""Closed-form costs of every family against the traced count of the built module."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from nasvit_mm import create_model, get_space
from nasvit_mm.cost import count
from nasvit_mm.dense import trace
from nasvit_mm.family import FAMILIES
from tests.families import NAMED, NETWORKS, SPACES

MODES = ('auto', 'global', 'window')
PARTS = ('classifier', 'backbone')
SIZES = (None, 512, (512, 1024), (800, 1344), (333, 517), (513, 769))


def check(space: str, arch, size, mode: str, part: str) -> None:
    side = arch.resolution
    with torch.device('meta'):
        if part == 'classifier':
            model = create_model(space, arch, attention=mode, resize=False)
        else:
            model = FAMILIES[space].part('backbone')(arch, space, attention=mode)
    cost = count(space, arch, size, part=part, attention=mode)
    assert cost.macs == trace(model, size or side)
    assert cost.params == sum(p.numel() for p in model.parameters())
    assert cost.macs == sum(cost.breakdown.values())
    assert cost.params == sum(cost.breakdown_params.values())
    assert cost.input_size == (
        (side, side) if size is None else (size, size) if isinstance(size, int) else size
    )


# Every pair of a size, a mode and a part.
PAIRS = [
    (size, mode, PARTS[(i + j) % 2]) for i, size in enumerate(SIZES) for j, mode in enumerate(MODES)
]


@pytest.mark.parametrize(('size', 'mode', 'part'), PAIRS, ids=lambda v: str(v or 'own'))
@pytest.mark.parametrize('space', NETWORKS)
def test_extremes_equal_the_trace(space, size, mode, part):
    check(space, get_space(space).smallest, size, mode, part)
    if size is None:
        check(space, get_space(space).largest, size, mode, part)


CASES = list(itertools.product(SIZES, PARTS, MODES))


def some(start: int, n: int) -> list[tuple]:
    """Return ``n`` cases; architecture after architecture, all of them come."""
    return [CASES[(start * n + i) * 5 % len(CASES)] for i in range(n)]  # 5: no divisor of 36


@pytest.mark.parametrize(('space', 'name'), NAMED)
def test_named_architectures_equal_the_trace(space, name):
    check(space, get_space(space).named[name], None, 'auto', 'classifier')


def random(seeds: range) -> list[tuple[str, int]]:
    """Return spaces and seeds; spaces that share a network with another one get one each."""
    return [(s, seed) for s in SPACES for seed in (seeds if s in NETWORKS else seeds[:1])]


@pytest.mark.parametrize(('space', 'seed'), random(range(6)))
def test_random_architectures_equal_the_trace(space, seed):
    ((size, part, mode),) = some(seed, 1)
    check(space, get_space(space).sample(seed), size, mode, part)


@pytest.mark.nightly
@pytest.mark.parametrize(('space', 'seed'), random(range(6, 50)))
def test_more_random_architectures_equal_the_trace(space, seed):
    ((size, part, mode),) = some(seed, 1)
    check(space, get_space(space).sample(seed), size, mode, part)


@pytest.mark.nightly
@pytest.mark.parametrize(('space', 'name'), NAMED)
def test_named_architectures_equal_the_trace_in_other_cases(space, name):
    index = list(get_space(space).named).index(name)
    for size, part, mode in some(index, 3):
        check(space, get_space(space).named[name], size, mode, part)


def test_all_cases_come():
    assert {case for seed in range(50) for case in some(seed, 1)} == set(CASES)


@pytest.mark.parametrize('space', NETWORKS)
def test_images_of_other_channels(space):
    arch, part = get_space(space).smallest, FAMILIES[space].part('backbone')
    with torch.device('meta'):
        net = part(arch, space, in_channels=5)
    cost = count(space, arch, (96, 64), part='backbone', in_channels=5)
    assert cost.macs == trace(net, (96, 64))
    assert cost.params == sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize('space', NETWORKS)
def test_outputs_and_taps(space):
    backbone = FAMILIES[space].part('backbone')
    arch = get_space(space).sample(5)
    count_of = len(backbone.strides)
    subsets = [c for n in (1, 2, count_of) for c in itertools.combinations(range(count_of), n)]
    for i, out_indices in enumerate(subsets):
        widths = (None, 48, tuple(range(8, 8 + len(out_indices))))
        for out_width in widths if len(out_indices) == count_of else widths[i % 3 : i % 3 + 1]:
            with torch.device('meta'):
                net = backbone(arch, space, out_indices=out_indices, out_width=out_width)
            cost = count(
                space,
                arch,
                (320, 200),
                part='backbone',
                out_indices=out_indices,
                out_width=out_width,
            )
            assert cost.macs == trace(net, (320, 200))
            assert cost.params == sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize('space', NETWORKS)
def test_many_equal_one_by_one(space):
    table = get_space(space)
    genes = table.sample_genes(3, 40)
    archs = table.from_genes(genes)
    for kwargs in ({}, dict(input_size=(512, 1024), part='backbone', attention='global')):
        by_genes, by_list = count(space, genes, **kwargs), count(space, archs, **kwargs)
        single = [count(space, a, **kwargs) for a in archs]
        assert by_genes.macs.dtype == np.int64 and by_genes.macs.shape == (40,)
        assert np.array_equal(by_genes.macs, [c.macs for c in single])
        assert np.array_equal(by_list.params, [c.params for c in single])
        for part, macs in by_genes.breakdown.items():
            assert macs.tolist() == [c.breakdown[part] for c in single]
    one = count(space, genes[0])
    assert isinstance(one.macs, int) and one.macs == count(space, archs[0]).macs
    assert count(space, []).macs.shape == (0,) and count(space, genes[:1]).macs.shape == (1,)
    assert count(space, archs[0].to_dict()).macs == one.macs
    assert count(table.to_dict(), archs[0]).macs == count(table, archs[0]).macs == one.macs


@pytest.mark.parametrize('space', NETWORKS)
def test_supernet_with_an_active_architecture_costs_the_same(space):
    with torch.device('meta'):
        supernet = create_model(space, resize=False)
    for arch in get_space(space).sample(2, 2):
        supernet.set_arch(arch)
        assert trace(supernet, arch.resolution) == count(space, arch).macs
    assert supernet.training  # the trace leaves flags and weights alone


@pytest.mark.parametrize(('space', 'name'), NAMED)
def test_measured_figures_of_the_zoo(space, name):
    entry, cost = get_space(space).zoo[name], count(space, name)
    measured = dict(entry['measured'])
    if 'authors_macs' in measured:
        assert measured.pop('authors_macs') == count(space, name, counter='authors').macs
    assert measured == {
        'macs': cost.macs,
        'params': cost.params,
        'input_size': list(cost.input_size),
    }


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(part='head'), "part = 'head'"),
        (dict(attention='none'), "attention = 'none'"),
        (dict(part='backbone', out_indices=(3, 1)), 'ascending'),
        (dict(part='backbone', out_indices=(99,)), '99'),
        (dict(out_indices=(0,)), "part='backbone'"),
        (dict(out_width=8), "part='backbone'"),
        (dict(part='backbone', out_width=(8, 8)), '4 outputs'),
        (dict(input_size=8), 'input_size = 8'),
        (dict(input_size=(512, 8)), '512, 8'),
    ],
)
@pytest.mark.parametrize('space', NETWORKS)
def test_errors(space, kwargs, message):
    with pytest.raises(ValueError, match=message):
        count(space, 'smallest', **kwargs)


def test_trace_counts_fused_attention():
    """torch counts 0 for it on a CPU."""

    class Fused(torch.nn.Module):
        def forward(self, x):  # (1, 3, 64, 32): three heads, 64 tokens, 32 channels
            return torch.nn.functional.scaled_dot_product_attention(x, x, x)

    assert trace(Fused(), (64, 32)) == 2 * 3 * 64 * 64 * 32
