"""Official ElasticViT files: names, shapes, what is damaged, what is not ElasticViT."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nasvit_mm import create_model, get_space
from nasvit_mm.checkpoints import convert_official, extract_subnet, read_checkpoint
from tests.conftest import Golden
from tests.official import elasticvit_official

SPACE = get_space('elasticvit')
TABLE, INDEX = (
    f'feature_exactor.2.layers.4.{name}' for name in ('attention_bias', 'relative_position_index')
)
OUR_TABLE = 'backbone.stages.2.3.attn.position.weight'


@pytest.fixture(scope='module')
def golden():
    return Golden('elasticvit')


@pytest.fixture(scope='module')
def official(golden):
    return elasticvit_official(golden)


def test_every_official_tensor_is_used_or_known_to_be_unused(official):
    marked = {
        k: torch.full(v.shape, float(i)) if v.is_floating_point() else v
        for i, (k, v) in enumerate(official.items())
    }
    found = {
        float(v.flatten()[0])
        for v in convert_official('elasticvit', marked).values()
        if v.is_floating_point()
    }
    lost = [
        k
        for i, (k, v) in enumerate(official.items())
        if v.is_floating_point() and float(i) not in found
    ]
    # The authors' forward reads shortcuts of a stage's first block only, of the stem none.
    assert all(
        'shortcut_conv' in k and (k.startswith('conv_stem') or k.split('.')[3] != '0') for k in lost
    ), lost
    assert len(lost) == 2 + 4 + 5


def test_a_file_of_training(official, tmp_path):
    """EMA weights win; memory banks of tuples and numpy numbers are read and left alone."""
    bank = [[[SPACE.to_tuple('elastic_T1'), np.float64(-1.25)]], []]
    path = tmp_path / 'ckpt.pth'
    torch.save(
        dict(
            epoch=609,
            state_dict={k: torch.zeros_like(v) for k, v in official.items()},
            optimizer={},
            bank=bank,
            arch='supernet',
            extras=(67.2, 67.2),
            model_ema=official,
        ),
        path,
    )
    content = read_checkpoint(path).content
    assert SPACE.arch(content['bank'][0][0][0]) == SPACE.named['elastic_T1']
    model = create_model('elasticvit', 'elastic_T1')
    model.load_state_dict(convert_official('elasticvit', content, 'elastic_T1'))
    assert torch.equal(model.backbone.stem.weight, official['first_conv.weight'][:16])


def test_drifted_indices_are_baked_into_the_tables(official, golden):
    drifted = elasticvit_official(golden, drifted=True)
    ours = convert_official('elasticvit', drifted)[OUR_TABLE]
    moved = golden.json('ema_index_drift.json')['decremented_values']['961']
    expected = official[TABLE].clone()
    expected[moved] = official[TABLE][torch.tensor(moved) - 1]
    assert torch.equal(ours, expected) and not torch.equal(ours, official[TABLE])


def test_without_index_buffers(official):
    without = {k: v for k, v in official.items() if 'relative_position_index' not in k}
    assert torch.equal(convert_official('elasticvit', without)[OUR_TABLE], official[TABLE])


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda index: index + 900, 'outside the table'),
        (
            lambda index: torch.arange(index.numel()).view_as(index) % 961,
            'not a function of the offset',
        ),
        (lambda index: index[:4, :4], r'\(4, 4\)'),
    ],
)
def test_an_index_that_makes_no_sense(official, damage, message):
    state = {**official, INDEX: damage(official[INDEX])}
    with pytest.raises(ValueError, match=f'{message}|layers.4.*{message}'):
        convert_official('elasticvit', state)


def test_restricted_supernet(official):
    """The converted supernet of a restriction runs its members as the whole one does."""
    small = SPACE.restrict(
        depth=dict(stage2=(2, 3), stage5=2),
        width=dict(stage4=(160, 192), stem=16),
        kernel_size=dict(stage0=3),
        v_scale=dict(stage2=(2, 3), stage3=2),
        resolution=(128, 176),
    )
    part = create_model(small, num_classes=1000).eval()
    part.load_state_dict(convert_official(small, official))
    whole = create_model('elasticvit').eval()
    whole.load_state_dict(convert_official('elasticvit', official))
    for arch in [small.smallest, *small.sample(0, 3)]:
        part.set_arch(arch)
        subnet = create_model(small, arch).eval()
        subnet.load_state_dict(convert_official(small, official, arch))
        x = torch.randn(1, 3, arch.resolution, arch.resolution)
        with torch.inference_mode():
            expected = extract_subnet(whole, arch.to_dict())(x)
            torch.testing.assert_close(part(x), expected)
            torch.testing.assert_close(subnet(x), expected)


def test_a_wrong_checkpoint(nasvit_official, official):
    with pytest.raises(ValueError, match='looks like an official NASViT.*expected keys'):
        convert_official('elasticvit', nasvit_official)
    with pytest.raises(ValueError, match='looks like an official ElasticViT.*expected keys'):
        convert_official('nasvit', official)
    cut = {k: v for k, v in official.items() if 'feature_exactor.3.layers.5.fc1' not in k}
    with pytest.raises(ValueError, match='lacks 2 of'):
        convert_official('elasticvit', cut)
