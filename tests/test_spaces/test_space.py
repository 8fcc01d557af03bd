"""Every space: genes, sampling, validation, files, restriction; every named architecture."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from nasvit_mm import get_space, list_spaces
from nasvit_mm.errors import ArchitectureError
from nasvit_mm.spaces import Arch

SPACES = list_spaces()
NAMED = [(s, n) for s in SPACES for n in get_space(s).named]


@pytest.fixture(params=SPACES)
def space(request):
    return get_space(request.param)


def test_import_is_light():
    code = (
        'import sys, nasvit_mm, nasvit_mm.cost; nasvit_mm.cost.count("nasvit", "smallest"); '
        'print([m for m in ("torch", "mmengine", "mmcv", "timm") if m in sys.modules])'
    )
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == '[]'


def test_genes_round_trip(space):
    archs = [space.smallest, space.largest, *space.sample(np.random.default_rng(0), 200)]
    genes = space.genes(archs)
    assert genes.shape == (202, space.num_genes)
    assert space.from_genes(genes) == archs
    for arch in archs[:20]:
        assert space.from_genes(space.genes(arch)) == arch
        assert space.arch(arch.to_dict()) == arch
        assert space.arch(json.loads(json.dumps(arch.to_dict()))) == arch
        assert space.canonical(space.canonical(arch)) == space.canonical(arch)


def test_sampling_is_seeded_and_covers_every_choice(space):
    a = space.sample_genes(7, 4000)
    assert np.array_equal(a, space.sample_genes(np.random.default_rng(7), 4000))
    assert not np.array_equal(a, space.sample_genes(8, 4000))
    for gene, choices in enumerate(space.choices):
        assert set(a[:, gene]) == set(range(len(choices))), space.labels[gene]
    assert isinstance(space.sample(3), Arch)
    assert space.sample(3) == space.sample(3, 1)[0]


def test_arch_is_frozen_hashable_and_readable(space):
    arch, same = space.largest, space.arch(space.largest.to_dict())
    assert arch is not same and arch == same and hash(arch) == hash(same)
    assert len({arch, same, space.smallest}) == 2
    assert pickle.loads(pickle.dumps(arch)) == arch
    with pytest.raises(AttributeError, match='frozen'):
        arch.resolution = 1


def test_what_is_printed_is_read_back(space):
    for arch in [space.smallest, space.largest, *space.sample(3, 20)]:
        assert space.arch(str(arch)) == arch
    printed = str(space.smallest)
    for text in (printed + '.', printed.rpartition('-')[0]):
        with pytest.raises(ArchitectureError, match='is no whole architecture|missing'):
            space.arch(text)
    with pytest.raises(ArchitectureError, match="of space 'other'"):
        space.arch(printed.replace(space.name, 'other'))
    cut = printed.rpartition('-')[0].rpartition('-')[0]
    first, last = space.fields[0].name, space.fields[-1].name
    with pytest.raises(ArchitectureError, match=f"missing: (?!.*'{first}').*'{last}'.$"):
        space.arch(cut)


def test_a_resolution_that_only_a_restriction_has_is_explained(space):
    arch = space.restrict(resolution=100).smallest
    with pytest.raises(ArchitectureError, match=r'restrict=dict\(resolution=\[100\]\)'):
        space.arch(str(arch))


@pytest.mark.parametrize('suffix', ['json', 'yaml'])
def test_arch_files(space, suffix, tmp_path):
    arch = space.sample(0)
    path = tmp_path / f'arch.{suffix}'
    arch.save(path)  # JSON is YAML
    assert space.arch(path) == space.arch(str(path)) == arch
    for content in (b'{"resolution": [1, ', b'\xff\xfe\x00\x80'):
        path.write_bytes(content)
        with pytest.raises(ArchitectureError, match=f'arch.{suffix} is not valid'):
            space.arch(path)
    with pytest.raises(ArchitectureError, match='nowhere'):
        space.arch(tmp_path / f'nowhere.{suffix}')


@pytest.mark.parametrize(('name', 'arch'), NAMED)
def test_named(name, arch):
    space = get_space(name)
    entry = space.zoo[arch]
    assert entry['source']
    assert space.arch(arch) == space.named[arch] == space.arch(entry['arch'])


def test_unknown_name_lists_the_closest(space):
    name = next(iter(space.named))
    with pytest.raises(ArchitectureError, match=f'did you mean.*{name}'):
        space.arch(name + 'x')


def test_a_value_outside_names_gene_value_and_choices(space):
    largest = space.largest.to_dict()
    for field in space.fields:
        wrong = dict(largest)
        if field.positions:
            wrong[field.name] = [-5, *largest[field.name][1:]]
        else:
            wrong[field.name] = -5
        with pytest.raises(ArchitectureError) as error:
            space.arch(wrong)
        message = str(error.value)
        assert field.labels[0] in message and '-5' in message
        assert all(str(c) in message for c in field.choices[0])


def test_malformed_architectures(space):
    largest = space.largest.to_dict()
    field = next(f for f in space.fields if f.positions)
    with pytest.raises(ArchitectureError, match='depht'):
        space.arch({**largest, 'depht': 3})
    with pytest.raises(ArchitectureError, match=f"missing: \\['{field.name}'\\]"):
        space.arch({k: v for k, v in largest.items() if k != field.name})
    with pytest.raises(ValueError, match=f'{len(field.positions)} numbers'):
        space.arch({**largest, field.name: largest[field.name][:-1]})
    with pytest.raises(ArchitectureError):
        space.arch(3.5)
    with pytest.raises(ValueError, match='other'):
        space.arch({**largest, 'space': 'other'})
    bad = space.genes(space.smallest)
    bad[0] = 99
    with pytest.raises(ValueError, match='99'):
        space.from_genes(bad)
    with pytest.raises(ValueError, match=str(space.num_genes)):
        space.from_genes(bad[:-1])


@pytest.mark.parametrize(
    'given',
    [[None] * 10, [['a']], [float('inf')], np.zeros((2, 2)), np.array('x'), 'x' * 5000 + '.json'],
    ids=['none', 'nested', 'infinite', 'matrix', 'scalar', 'long'],
)
def test_what_is_no_architecture_at_all_is_told_in_a_line(space, given):
    with pytest.raises(ArchitectureError) as error:
        space.arch(given)
    assert len(str(error.value)) < 1000 and '\n' not in str(error.value)


def test_a_yaml_tag_is_refused_in_a_line(space, tmp_path):
    (tmp_path / 'arch.yaml').write_text(f'!!python/object/apply:os.mkdir [{tmp_path}/made]')
    with pytest.raises(ArchitectureError, match=r'not valid yaml: [^\n]*os\.mkdir[^\n]*$'):
        space.arch(tmp_path / 'arch.yaml')
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize('given', ['x', [], 5, {5: 1}])
def test_a_restriction_of_another_type(given):
    with pytest.raises(ArchitectureError, match='restrict = .* expected a mapping of fields'):
        get_space(dict(space='nasvit', restrict=given))


def test_restrict(space):
    small = space.restrict(resolution=(64, 80, 96))
    assert small.largest['resolution'] == 96 and small.smallest['resolution'] == 64
    assert get_space(small.to_dict()) == small == get_space(json.loads(json.dumps(small.to_dict())))
    assert small.restrict(resolution=80).smallest['resolution'] == 80
    assert 'restrict' not in space.to_dict() and get_space(space.to_dict()) == space
    with pytest.raises(ArchitectureError, match='nonsense'):
        space.restrict(nonsense=3)
    field = next(f for f in space.fields if f.positions and len(f.choices[0]) > 1)
    first = field.positions[0]
    narrow = space.restrict(**{field.name: {first: field.choices[0][0]}})
    assert narrow.num_architectures < space.num_architectures
    assert narrow.num_genes == space.num_genes
    assert all(a in space for a in narrow.sample(0, 20))
    with pytest.raises(ValueError, match='-5'):
        space.restrict(**{field.name: {first: -5}})
    with pytest.raises(ArchitectureError, match='mb99'):
        space.restrict(**{field.name: {'mb99': 3}})


def test_only(space):
    for arch in (space.smallest, *space.sample(1, 5)):
        single = space.only(arch)
        assert single.is_single and single.smallest == single.largest == arch
        assert single.sample(0) == arch and arch in single
    assert space.largest not in space.only(space.smallest)


def test_unknown_space():
    with pytest.raises(ArchitectureError, match='did you mean nasvit'):
        get_space('nasvitt')
    with pytest.raises(ArchitectureError, match='restrikt'):
        get_space({'space': 'nasvit', 'restrikt': {}})
