"""Draws from a window of multiply-adds are uniform over it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nasvit_mm import get_space
from nasvit_mm.cost import WindowSampler, count
from nasvit_mm.spaces import Space
from tests.families import SPACES, tiny


def too_far(observed: np.ndarray, expected: np.ndarray) -> bool:
    """Chi-square beyond five standard deviations; seeds are fixed, so this is no matter of luck."""
    observed, expected = observed[expected > 0], expected[expected > 0]
    chi2 = ((observed - expected) ** 2 / expected).sum()
    dof = max(1, len(expected) - 1)
    return chi2 > dof + 5 * (2 * dof) ** 0.5


def rejected(space: Space, low: float, high: float, n: int, **args) -> np.ndarray:
    """Gene vectors in a window, by drawing until there are enough."""
    rng, found = np.random.default_rng(11), []
    while sum(map(len, found)) < n:
        genes = space.uniform_genes(rng, 100_000)
        macs = count(space, genes, **args).macs
        found.append(genes[(low <= macs) & (macs <= high)])
    return np.concatenate(found)


def check_marginals(space: Space, ours: np.ndarray, theirs: np.ndarray) -> None:
    for gene, choices in enumerate(space.choices):
        if len(choices) > 1:
            a, b = (np.bincount(g[:, gene], minlength=len(choices)) for g in (ours, theirs))
            both = (a + b) / (len(ours) + len(theirs))
            assert not too_far(
                np.concatenate([a, b]), np.concatenate([both * len(ours), both * len(theirs)])
            ), space.labels[gene]


def middle(space: Space, share: float, **args) -> tuple[float, float]:
    """A window with about this share of the architectures, off the middle."""
    macs = np.sort(count(space, space.uniform_genes(5, 20_000), **args).macs)
    return float(macs[6000]), float(macs[6000 + int(share * 20_000)])


ARGS = [{}, dict(input_size=(512, 768), part='backbone', out_width=64)]


@pytest.mark.parametrize('args', ARGS, ids=['classifier', 'dense'])
@pytest.mark.parametrize('name', SPACES)
def test_marginals_are_those_of_rejection(name, args):
    space = get_space(name)
    low, high = middle(space, 0.02, **args)
    sampler = WindowSampler(name, low, high, **args)
    genes = sampler.sample_genes(3, 5000)
    macs = count(space, genes, **args).macs
    assert genes.shape == (5000, space.num_genes) and space.obeys(genes).all()
    assert low <= macs.min() and macs.max() <= high
    assert np.array_equal(genes, sampler.sample_genes(np.random.default_rng(3), 5000))
    assert not np.array_equal(genes, sampler.sample_genes(4, 5000))
    check_marginals(space, genes, rejected(space, low, high, 4000, **args))
    assert sampler.num_architectures == pytest.approx(0.02 * space.num_architectures, rel=0.25)
    assert all(arch in space for arch in sampler.sample(0, 5))


@pytest.mark.parametrize('name', SPACES)
def test_every_architecture_of_a_small_space_comes_equally_often(name):
    """Two choices of some genes, the rest fixed: all members are known."""
    space = tiny(name)
    every = np.array([g for g in itertools.product(*(range(len(c)) for c in space.choices))])
    every = every[space.obeys(every)]
    assert len(every) == space.num_architectures > 20
    macs = count(space, every).macs
    low, high = np.quantile(macs, [0.3, 0.7])
    inside = {tuple(g) for g in every[(low <= macs) & (macs <= high)]}
    genes = WindowSampler(space, low, high).sample_genes(0, 200 * len(inside))
    drawn, times = np.unique(genes, axis=0, return_counts=True)
    assert {tuple(g) for g in drawn} == inside
    assert not too_far(times, np.full(len(inside), 200.0))


@pytest.mark.slow
def test_the_rare_level_of_elasticvit():
    """500 M by the authors' counter, above its smallest subnet: 1 of 3,000 plain draws."""
    space = get_space('elasticvit')
    floor = space.named['elastic_min_800']
    bounded = ('resolution', 'width', 'depth', 'expand_ratio', 'v_scale')
    space = space.restrict(
        **{
            f.name: [
                [c for c in choices if c >= least]
                for choices, least in zip(
                    f.choices, floor[f.name] if f.positions else (floor[f.name],)
                )
            ][slice(None) if f.positions else 0]
            for f in space.fields
            if f.name in bounded
        }
    )
    genes = WindowSampler(space, 500e6, 520e6, counter='authors').sample_genes(0, 10_000)
    check_marginals(space, genes, rejected(space, 500e6, 520e6, 2000, counter='authors'))


@pytest.mark.parametrize('name', SPACES)
def test_errors(name):
    with pytest.raises(
        ValueError,
        match=r'no \w+ architecture has from 1000 to 2000 MACs; the '
        r'smallest has [\d.e+]+, the largest [\d.e+]+',
    ):
        WindowSampler(name, 1e3, 2e3)
    with pytest.raises(ValueError, match='the lower bound is the larger'):
        WindowSampler(name, 2e9, 1e9)


@pytest.mark.parametrize('name', SPACES)
def test_no_draws(name):
    assert WindowSampler(name, 0, 1e12).sample_genes(0, 0).shape == (0, get_space(name).num_genes)
