"""Genes of the task behind those of a backbone, in every space."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nasvit_mm import get_space, list_spaces
from nasvit_mm.errors import ArchitectureError

TASK = dict(scale=[50, 75, 100], head=[64, 32])


@pytest.fixture(params=list_spaces())
def space(request):
    return get_space(dict(space=request.param, task=TASK))


def test_they_are_genes_like_others(space):
    genes = space.sample_genes(0, 200)
    assert genes.shape[1] == space.without_task.num_genes + 2
    assert {tuple(row) for row in genes[:, -2:]} == {(i, j) for i in range(3) for j in range(2)}
    assert np.array_equal(space.canonical_genes(genes)[:, -2:], genes[:, -2:])
    assert (space.largest.scale, space.largest.head) == (100, 64)
    assert (space.smallest.scale, space.smallest.head) == (50, 32)
    assert space.num_architectures == 6 * space.without_task.num_architectures


def test_every_form_of_an_architecture_reads_back(space):
    for arch in [*space.sample(0, 20), space.smallest]:
        assert space.arch(str(arch)) == arch
        assert space.arch(json.loads(json.dumps(arch.to_dict()))) == arch
        assert space.from_genes(space.genes(arch)) == arch


def test_the_space_reads_back_with_its_genes(space):
    smaller = space.restrict(head=32)
    assert get_space(json.loads(json.dumps(smaller.to_dict()))) == smaller
    assert smaller.to_dict()['task'] == dict(scale=[50, 75, 100], head=[32])
    assert space.without_task == get_space(space.name)
    assert 'task' not in space.without_task.to_dict()


def test_an_architecture_without_them_stands_at_the_largest(space):
    plain = space.without_task.sample(0)
    arch = space.arch(plain)
    assert (arch.scale, arch.head) == (100, 64)
    assert space.split(arch) == (plain, dict(scale=100, head=64))
    assert all(member.head == 64 for member in space.named.values())


def test_a_space_without_them_says_where_they_belong(space):
    for form in (space.smallest, str(space.smallest), space.smallest.to_dict()):
        with pytest.raises(ArchitectureError, match=r'task=dict\(head=\[...\], scale=\[...\]\)'):
            space.without_task.arch(form)


def test_floors_leave_them_free(space):
    above = space.above(space.arch(space.without_task.smallest))
    assert [field.choices for field in above.task] == [((50, 75, 100),), ((32, 64),)]


@pytest.mark.parametrize(
    'task, said',
    [
        (dict(heads=[4]), "gene of the task = 'heads'"),
        (dict(scale=[50, 110]), 'task.scale = .*whole numbers from 10 to 100'),
        (dict(head=[True]), 'task.head = .*whole numbers from 1'),
        (dict(taps=[]), 'task.taps is empty'),
        ([64], r'task = \[64\], expected a mapping of genes'),
    ],
)
def test_errors_name_gene_and_values(task, said):
    with pytest.raises(ArchitectureError, match=said):
        get_space(dict(space='nasvit', task=task))
