"""Facts of the NASViT space."""

from __future__ import annotations

import pytest

from nasvit_mm import get_space
from nasvit_mm.families.nasvit import space as facts

SPACE = get_space('nasvit')


def test_authors_form():
    config = {
        'resolution': 192,
        'width': [16, 16, 24, 32, 64, 112, 160, 208, 1792],
        'depth': [1, 3, 3, 3, 3, 3, 3],
        'kernel_size': [3] * 7,
        'expand_ratio': [1, 4, 4, 4, 4, 6, 6],
    }
    assert SPACE.arch(config) == SPACE.smallest == SPACE.named['nasvit_min']


def test_size_of_the_space():
    assert SPACE.num_genes == 31
    # 4 resolutions, widths, depths, kernels, expansions of the released table.
    assert SPACE.num_architectures == (
        4 * (2**6 * 3 * 4 * 3) * (2 * 3 * 4 * 4 * 7 * 6 * 4) * 4 * 3**4
    )


@pytest.mark.parametrize(
    ('hidden', 'squeezed'),
    [
        (96, 24),
        (120, 32),
        (144, 40),
        (160, 40),
        (192, 48),
        (200, 48),
        (240, 64),
        (288, 72),
        (360, 88),
        (432, 112),
        (672, 168),
        (768, 192),
        (960, 240),
        (1008, 256),
        (1104, 280),
    ],
)
def test_squeezed_width(hidden, squeezed):
    assert facts.se_width(hidden) == squeezed


@pytest.mark.parametrize(
    ('stage', 'rows'),
    [('mb4', (0, 4, 0, 4)), ('mb5', (4, 1, 0, 1)), ('mb6', (4, 1, 0, 1)), ('mb7', (1, 0, 0, 1))],
)
def test_layer_scale_rows(stage, rows):
    index = facts.STAGE_NAMES.index(stage)
    assert tuple(facts.scale_row(r, index) for r in facts.TRAINED_RESOLUTIONS) == rows


def test_stand_ins_have_no_published_name():
    assert not [n for n in SPACE.named if n.lower().endswith(tuple(f'a{i}' for i in range(6)))]
