"""The ElasticViT space: the authors' form, their draw, widths that never decrease."""

from __future__ import annotations

import gzip
import json
import random

import numpy as np
import pytest

from nasvit_mm import get_space
from nasvit_mm.errors import ArchitectureError
from tests.authors import draw_elasticvit
from tests.conftest import GOLDEN, Golden

SPACE = get_space('elasticvit')
FOLDER = GOLDEN / 'elasticvit'
LEVELS = {100: 200, 200: 200, 300: 400, 400: 400, 500: 800, 700: 800, 900: 800, 1200: 800}


def tables() -> dict[str, list[dict]]:
    """The first 200 entries of the authors' table of every complexity level."""
    return json.loads(gzip.decompress((FOLDER / 'flops_tables_first200.json.gz').read_bytes()))


def nested_tuple(x):
    return tuple(map(nested_tuple, x)) if isinstance(x, list) else x


def test_size():
    assert SPACE.num_architectures == 31_502 * 6 * (2 * 4 * 5 * 5 * 6**3) * 16 * 8 * 256 * 81


def test_widths_never_decrease():
    genes = SPACE.sample_genes(0, 5000)
    widths = SPACE.columns(genes)['width']
    assert (np.diff(widths, axis=1) >= 0).all() and SPACE.obeys(genes).all()
    # Uniform over the 31,502 width tuples, as counting by hand says for the last two stages.
    free = SPACE.restrict(width=dict(stem=16, stage0=16, stage1=16, stage2=48, stage3=80))
    pairs = SPACE.columns(free.sample_genes(0, 1))['width'].shape
    assert pairs == (1, 7)
    columns = free.columns(free.sample_genes(1, 30_000))['width'][:, -2:]
    drawn, times = np.unique(columns, axis=0, return_counts=True)
    assert len(drawn) == sum(b >= a for a in range(144, 289, 16) for b in range(160, 321, 16))
    assert abs(times / (30_000 / len(drawn)) - 1).max() < 0.25


def test_the_authors_form():
    for level, entries in tables().items():
        for entry in entries:
            arch = SPACE.arch(entry['arch'])
            assert SPACE.to_tuple(arch) == nested_tuple(entry['arch']), level
            assert SPACE.arch(SPACE.to_tuple(arch)) == arch
    assert SPACE.genes([entries[0]['arch'] for entries in tables().values()]).shape == (8, 28)


def test_a_file_in_the_authors_form(tmp_path):
    path = tmp_path / 'S1.json'
    path.write_text(json.dumps(SPACE.to_tuple('elastic_S1')))
    assert SPACE.arch(path) == SPACE.named['elastic_S1']


@pytest.mark.parametrize('seed', range(4))
def test_the_authors_draw(seed):
    name = f'random_0{(0, 1, 2, 5)[seed]}.json'
    case = Golden('elasticvit').json(f'cases/{name}')
    rng = random.Random(case['sampling_python_seed'])
    assert draw_elasticvit(SPACE, rng) == SPACE.arch(case['arch'])


@pytest.mark.parametrize(('level', 'entries'), [(200, 4), (900, 3), (1200, 3), (700, 2), (400, 2)])
def test_the_authors_tables(level, entries):
    """Their table is drawn in sequence: seed 2023, then 2, 3, ... after every entry."""
    from nasvit_mm.cost import count

    floor, rng, found = f'elastic_min_{LEVELS[level]}', random.Random(2023), []
    while len(found) < entries:
        arch = draw_elasticvit(SPACE, rng, floor)
        if level * 1e6 <= count(SPACE, arch, counter='authors').macs <= (level + 30) * 1e6:
            found.append(arch)
            rng.seed(len(found) + 1)
    assert found == [SPACE.arch(e['arch']) for e in tables()[str(level)][:entries]]


def changed(position: int, value) -> list:
    out = list(SPACE.to_tuple('elastic_T1'))
    out[position] = value
    return out


@pytest.mark.parametrize(
    ('x', 'message'),
    [
        (
            changed(1, [24, 16, 32, 64, 96, 176, 272]),
            r'width\[stem\] = 24 and width\[stage0\] = 16 do '
            'not go together: widths never decrease',
        ),
        (changed(1, [16, 24, 32, 64, 96, 176, 280]), r'width\[stage5\] = 280 is not in the space'),
        (changed(1, [16, 24]), '7 widths'),
        (changed(3, [1, 3, 3]), '3 expand ratios, expected one for each of the 6 blocks'),
        (changed(3, [1, 3, 4, 3, 3, 3]), r'expand ratios \[3, 4\] within one stage'),
        (changed(3, [3] * 6), 'the stem'),
        (changed(7, [2, 1, 1, 1]), 'windows'),
        (changed(0, 224.5), r'resolution = 224.5'),
    ],
)
def test_errors_of_the_authors_form(x, message):
    with pytest.raises(ValueError, match=message):
        SPACE.arch(x)


@pytest.mark.parametrize('x', [5, [1, 2, 3], None])
def test_no_architecture(x):
    with pytest.raises(ArchitectureError, match='tuple of ten'):
        SPACE.arch(x)


def test_restrictions_keep_to_what_is_possible():
    small = SPACE.restrict(width=dict(stage0=(16, 24), stem=(16, 24), stage1=16))
    assert small.smallest.width[:3] == small.largest.width[:3] == (16, 16, 16)
    with pytest.raises(ValueError, match='leaves no architecture: widths never decrease'):
        SPACE.restrict(width=dict(stem=24, stage0=16))


def test_the_hierarchical_smallest():
    assert SPACE.named['elastic_min_200'] == SPACE.smallest
    assert [SPACE.named[f'elastic_min_{k}'].resolution for k in (200, 400, 800)] == [128, 176, 224]
