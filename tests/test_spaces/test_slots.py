"""Identity shifting: many genomes, one network; the authors' genomes; counts."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from nasvit_mm import create_model, get_space, list_spaces
from nasvit_mm.spaces import SlotSpace

SPACES = [name for name in list_spaces() if isinstance(get_space(name), SlotSpace)]
PLAIN = [name for name in SPACES if name != 'vitas_twins']
SHIFTING = [name for name in SPACES if 0 in get_space(name).field('heads').choices[-1]]


def scrambled(space: SlotSpace, arch, rng: np.random.Generator):
    """The same blocks in the same order, identities anywhere, other genes behind them."""
    names = ('heads', *space.slot_fields)
    out = {name: list(arch[name]) for name in names}
    for group in space.groups:
        blocks = [slot for slot in group if arch.heads[slot]]
        free = [s for s in group if 0 in space.field('heads').choices[s]]
        fixed = [s for s in group if s not in free]
        more = rng.permutation(free)[: len(blocks) - len(fixed)].tolist()
        places = sorted(fixed + more)
        for slot in group:
            if slot in places:
                source = blocks[places.index(slot)]
                for name in names:
                    out[name][slot] = arch[name][source]
                continue
            out['heads'][slot] = 0
            for name in space.slot_fields:
                out[name][slot] = int(rng.choice(space.field(name).choices[slot]))
    return space.arch(arch.replace(**{k: tuple(v) for k, v in out.items()}))


def test_there_are_such_spaces():
    assert SPACES == ['vitas_deit_base', 'vitas_deit_block', 'vitas_deit_small', 'vitas_twins']
    assert SHIFTING == ['vitas_deit_small', 'vitas_twins']


def test_counts():
    """Networks, not genomes: the authors' 3 * 10 * 500 ** 16 genomes have many to one."""
    ratios = 10 * 10
    assert get_space('vitas_deit_small').num_architectures == 30 * sum(
        (4 * ratios) ** d for d in range(17)
    )
    assert get_space('vitas_deit_block').num_architectures == 10 * (4 * ratios) ** 12
    assert get_space('vitas_deit_base').num_architectures == 30 * (4 * ratios) ** 13
    per_slot = 3 * 3 * 8
    stages = [16 * sum(per_slot**d for d in range(1, n + 1)) for n in (2, 2, 18, 4)]
    assert get_space('vitas_twins').num_architectures == np.prod(np.array(stages, object))


@pytest.mark.parametrize('name', SHIFTING)
def test_many_genomes_one_network(name):
    space, rng = get_space(name), np.random.default_rng(0)
    differing = 0
    for arch in space.sample(1, 50):
        assert space.canonical(arch) == arch
        other = scrambled(space, arch, rng)
        assert space.arch(other) == other  # kept as given
        assert space.canonical(other) == arch
        assert space.depths(other) == space.depths(arch)
        differing += other != arch
        assert space.only(other).sample(0) == other
    assert differing > 40


def test_the_same_network_is_built():
    """Of a scrambled genome and of its canonical form: equal weights in order, equal function."""
    space, rng = get_space('vitas_deit_small'), np.random.default_rng(3)
    arch = space.sample(2)
    other = scrambled(space, arch, rng)
    assert other != arch
    nets = [create_model(space, a, num_classes=3).eval() for a in (arch, other)]
    weights = [list(net.state_dict().values()) for net in nets]
    assert [w.shape for w in weights[0]] == [w.shape for w in weights[1]]
    nets[1].load_state_dict(dict(zip(nets[1].state_dict(), weights[0])))
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(nets[0](x), nets[1](x))


@pytest.mark.parametrize('name', SPACES)
def test_samples_are_canonical(name):
    space = get_space(name)
    genes = space.sample_genes(0, 2000)
    assert space.obeys(genes).all()
    assert all(space.canonical(a) == a for a in space.from_genes(genes[:200]))


@pytest.mark.parametrize('name', SHIFTING)
def test_depth_prior(name):
    """Every depth equally often, or binomial for a given probability of an identity."""
    space = get_space(name)
    group = space.groups[0] if name != 'vitas_twins' else space.groups[2]
    first = space.first_gene('heads')
    columns = [first + slot for slot in group]
    fixed = sum(0 not in space.field('heads').choices[slot] for slot in group)

    def depths(**kwargs) -> np.ndarray:
        genes = space.sample_genes(5, 20_000, **kwargs)
        heads = np.stack([np.array(space.choices[c])[genes[:, c]] for c in columns], 1)
        return (heads > 0).sum(1)

    counts = np.bincount(depths(), minlength=len(group) + 1)
    expected = 20_000 / (len(group) + 1 - fixed)
    assert (counts[:fixed] == 0).all()
    assert (abs(counts[fixed:] - expected) < 5 * expected**0.5).all()
    for p in (0.25, 0.5, 0.9):
        mean = fixed + (1 - p) * (len(group) - fixed)
        assert depths(identity=p).mean() == pytest.approx(mean, abs=0.1)
    assert (depths(identity=0.0) == len(group)).all()


def test_restrictions_move_the_depth():
    space = get_space('vitas_deit_small')
    real = space.field('heads').choices[0][1:]
    deep = space.restrict(heads={f'block{i}': real for i in range(5)})
    shallow = space.restrict(heads={f'block{i}': 0 for i in range(3, 16)})
    assert {deep.depths(a)[0] for a in deep.sample(0, 300)} == set(range(5, 17))
    assert {shallow.depths(a)[0] for a in shallow.sample(0, 300)} == set(range(4))
    assert deep.depths(deep.smallest) == (5,)
    assert shallow.num_architectures == 30 * sum(400**d for d in range(4))
    with pytest.raises(ValueError, match='identities come last'):
        space.restrict(heads={'block0': 0, 'block1': real})


@pytest.mark.parametrize('name', PLAIN)
def test_genomes(name):
    space = get_space(name)
    for arch in [space.smallest, space.largest, *space.sample(4, 30), *space.named.values()]:
        if arch == space.named.get('vitas_c'):
            continue
        genome = space.to_genome(arch)
        assert len(genome) == 3 * space.slots + 4
        assert space.arch(genome) == arch == space.arch(' '.join(map(str, genome)))
        assert space.arch(np.array(genome)) == space.arch(tuple(genome)) == arch
    genome = space.to_genome(space.largest)
    with pytest.raises(ValueError, match=f'has {len(genome)} genes'):
        space.arch(genome[:-1])
    for place, value in ((0, 3), (1, 9), (space.slots + 1, 1), (-1, 10)):
        wrong = list(genome)
        wrong[place] = value
        with pytest.raises(ValueError, match=f'gene {place % len(genome)} of .*= {value}, allowed'):
            space.arch(wrong)


@pytest.mark.parametrize('name', SPACES)
def test_extremes(name):
    space = get_space(name)
    for arch in (space.smallest, space.largest):
        assert arch in space and space.canonical(arch) == arch
    assert min(space.depths(space.smallest)) == 1 or name in ('vitas_deit_block', 'vitas_deit_base')
    assert space.depths(space.largest) == tuple(len(g) for g in space.groups)
    if name != 'vitas_twins':
        assert (
            space.smallest.patch_size
            >= space.largest.patch_size
            == min(space.field('patch_size').choices[0])
        )


def test_a_small_space_has_no_duplicates():
    """All genomes of a small space: as many canonical forms as counted, each its own network."""
    space = get_space('vitas_deit_small').restrict(
        patch_size=16,
        width=38,
        heads={f'block{i}': (0, 3) if i < 3 else 0 for i in range(16)},
        qkv_width={f'block{i}': (144, 288) if i < 3 else 144 for i in range(16)},
        mlp_width={f'block{i}': 144 for i in range(16)},
    )
    genomes = [
        space.from_genes(g) for g in itertools.product(*(range(len(c)) for c in space.choices))
    ]
    forms = Counter(space.canonical(a) for a in genomes)
    assert len(genomes) == 64 and len(forms) == space.num_architectures == 1 + 2 + 4 + 8
    networks = {tuple((h, q) for h, q in zip(a.heads, a.qkv_width) if h) for a in genomes}
    assert len(networks) == len(forms)


@pytest.mark.parametrize('name', SPACES)
def test_exchanged_depths_and_widths(name):
    """Common blocks stay, the number of blocks is the other's, and so are those that are new."""
    space = get_space(name)
    archs, other = space.sample(0, 20), space.sample(1)
    genes, theirs = space.genes(archs), space.genes(other)
    for arch, out in zip(archs, space.from_genes(space.exchanged(genes, theirs, 'depth'))):
        assert space.depths(out) == space.depths(other) and out.width == arch.width
        for slot in range(len(out.heads)):
            source = arch if arch.heads[slot] and other.heads[slot] else other
            assert all(out[f][slot] == source[f][slot] for f in ('heads', *space.slot_fields))
    for arch, out in zip(archs, space.from_genes(space.exchanged(genes, theirs, 'width'))):
        assert out == arch.replace(width=other.width)


def test_smaller_networks_have_larger_patches():
    space = get_space('vitas_deit_small')
    assert space.above(space.smallest).field('patch_size').choices == ((14, 16, 32),)
    assert space.above(space.largest).field('patch_size').choices == ((14,),)
