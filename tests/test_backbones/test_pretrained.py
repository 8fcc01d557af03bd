"""``init_cfg=dict(type='Pretrained')``: what fits is loaded, what does not is one clear error."""

from __future__ import annotations

import pytest
import torch

from nasvit_mm import create_model, get_space
from nasvit_mm.checkpoints import save_weights
from nasvit_mm.checkpoints.pretrained import load_pretrained
from nasvit_mm.errors import UsageError
from nasvit_mm.family import FAMILIES
from tests.families import SPACES, backbone, classifier


def pretrained(space, path, **options):
    net = FAMILIES[space].part('backbone')(
        options.pop('arch', 'smallest'),
        space,
        init_cfg=dict(type='Pretrained', checkpoint=str(path), **options.pop('init', {})),
        **options,
    )
    net.init_weights()
    return net


@pytest.mark.parametrize('space', SPACES)
def test_an_exported_subnet_initialises_a_dense_backbone(space, tmp_path):
    model = classifier(space, 'smallest')
    save_weights(tmp_path / 'subnet.pth', model.state_dict(), model.space, model.arch)
    net = pretrained(space, tmp_path / 'subnet.pth', out_width=16)
    theirs = model.backbone.state_dict()
    same = [k for k, v in net.state_dict().items() if k in theirs and torch.equal(v, theirs[k])]
    assert len(same) == sum(not k.startswith(net.new_weights) for k in net.state_dict())
    # A bare backbone, and an explicit prefix.
    torch.save(model.backbone.state_dict(), tmp_path / 'bare.pth')
    pretrained(space, tmp_path / 'bare.pth')
    torch.save(
        {f'model.trunk.{k}': v for k, v in model.backbone.state_dict().items()},
        tmp_path / 'deep.pth',
    )
    pretrained(space, tmp_path / 'deep.pth', init=dict(prefix='model.trunk'))


@pytest.mark.parametrize('space', SPACES)
def test_weights_of_another_architecture(space, tmp_path):
    torch.save(create_model(space, 'largest').state_dict(), tmp_path / 'large.pth')
    with pytest.raises(ValueError, match=r'large.pth does not fit .*another shape'):
        pretrained(space, tmp_path / 'large.pth')
    torch.save(create_model(space, 'smallest').state_dict(), tmp_path / 'small.pth')
    with pytest.raises(ValueError, match=r'small.pth does not fit .*missing'):
        pretrained(space, tmp_path / 'small.pth', arch='largest')
    torch.save({'layer.weight': torch.zeros(3)}, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='missing'):
        pretrained(space, tmp_path / 'other.pth')
    with pytest.raises(UsageError, match='does not exist'):
        pretrained(space, tmp_path / 'nowhere.pth')


@pytest.mark.parametrize('space', SPACES)
def test_random_initialisation_is_seeded(space):
    nets = [backbone(space, 'smallest', seed=s) for s in (3, 3, 4)]
    states = [n.state_dict() for n in nets]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert any(not torch.equal(states[0][k], states[2][k]) for k in states[0])


def nets_of_two_depths():
    """Two architectures of NASViT that differ in depth alone, the deeper one first."""
    space = get_space('nasvit')
    deep = space.smallest.replace(depth=space.largest.depth)
    return create_model(space, deep, 3), create_model(space, 'smallest', 3)


def test_a_deeper_network_is_refused(tmp_path):
    """By what its file says, and by the blocks that are left over."""
    deep, shallow = nets_of_two_depths()
    torch.save(deep.state_dict(), tmp_path / 'bare.pth')
    save_weights(tmp_path / 'said.pth', deep.state_dict(), get_space('nasvit'), deep.arch)
    for module in (shallow, shallow.backbone):
        with pytest.raises(UsageError, match='bare.pth does not fit .* entries more, the first'):
            load_pretrained(module, str(tmp_path / 'bare.pth'))
    with pytest.raises(UsageError, match='said.pth is of the architecture .*, the model of'):
        load_pretrained(shallow.backbone, str(tmp_path / 'said.pth'))
    torch.save({f'a.{k}': v for k, v in deep.backbone.state_dict().items()}, tmp_path / 'a.pth')
    with pytest.raises(UsageError, match='a.pth does not fit .* entries more'):
        pretrained('nasvit', tmp_path / 'a.pth', init=dict(prefix='a'))


def test_stages_beyond_the_last_output_may_be_in_the_file(tmp_path):
    net = create_model('nasvit', 'smallest', 3)
    torch.save(net.state_dict(), tmp_path / 'net.pth')
    short = pretrained('nasvit', tmp_path / 'net.pth', out_indices=(0, 1))
    theirs = net.backbone.state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in short.state_dict().items())


@pytest.mark.parametrize('name', ['net.pth', 'weights.pth'])
def test_another_resolution_is_warned_of(name, tmp_path, monkeypatch):
    """Of a file, and of an export's folder."""
    said = []
    monkeypatch.setattr(
        'nasvit_mm.checkpoints.pretrained.print_log', lambda text, **_: said.append(text)
    )
    space = get_space('nasvit')
    net = create_model(space, 'smallest', 3)
    other = net.arch.replace(resolution=space.largest.resolution)
    save_weights(tmp_path / name, net.state_dict(), space, other)
    pretrained('nasvit', tmp_path / name if name == 'net.pth' else tmp_path)
    assert f'of the resolution {other.resolution}, the model of {net.arch.resolution}' in said[0]


@pytest.mark.parametrize(
    'value, said', [(0.5, 'file 0.5, model'), (torch.ones(16, 3, 3, 3).char(), 'file torch.int8')]
)
def test_values_that_are_no_weights(value, said, tmp_path):
    state = backbone('nasvit', 'smallest').state_dict()
    assert 'stem.weight' in state and state['stem.weight'].shape == (16, 3, 3, 3)
    torch.save(dict(state, **{'stem.weight': value}), tmp_path / 'net.pth')
    with pytest.raises(UsageError, match=f'stem.weight: {said}'):
        pretrained('nasvit', tmp_path / 'net.pth')


def test_a_mistyped_name(tmp_path):
    with pytest.raises(UsageError, match=r'nasvit_mni .*does not exist \(did you mean nasvit_min'):
        pretrained('nasvit', 'nasvit_mni')


def test_what_has_no_place_is_told(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(
        'nasvit_mm.checkpoints.network.print_log', lambda text, **_: said.append(text)
    )
    net = backbone('vitas_twins', 'smallest', stage_norm=True)
    torch.save({f'backbone.{k}': v for k, v in net.state_dict().items()}, tmp_path / 'net.pth')
    pretrained('vitas_twins', tmp_path / 'net.pth', stage_norm=True)
    assert not said
    pretrained('vitas_twins', tmp_path / 'net.pth')
    assert f'{tmp_path}/net.pth has stage_norms, for which the model has no place' in said[0]


def test_weights_in_a_list_of_initialisers(tmp_path):
    """They come last, and are refused where they do not fit."""
    model = create_model('nasvit', 'smallest', 3)
    torch.save(model.state_dict(), tmp_path / 'net.pth')
    ways = [
        dict(type='Constant', layer='ElasticConv2d', val=0.5),
        dict(type='Pretrained', checkpoint=str(tmp_path / 'net.pth')),
    ]
    net = FAMILIES['nasvit'].part('backbone')('smallest', out_width=8, init_cfg=ways)
    net.init_weights()
    assert torch.equal(net.stem.weight, model.backbone.stem.weight)
    assert (net.taps[0].proj.weight == 0.5).all()
    net = FAMILIES['nasvit'].part('backbone')('largest', init_cfg=ways[1:])
    with pytest.raises(UsageError, match='net.pth does not fit'):
        net.init_weights()


def test_a_file_whose_architecture_cannot_be_read_here(tmp_path):
    """Its weights tell whether it fits, as where it says nothing."""
    net = create_model('nasvit', 'smallest', 3)
    text = "model = dict(backbone=dict(type='nasvit_mm.NASViT', arch='elsewhere/arch.json'))"
    meta = dict(cfg=text)
    torch.save(dict(state_dict=net.state_dict(), meta=meta), tmp_path / 'net.pth')
    ours = pretrained('nasvit', tmp_path / 'net.pth')
    assert torch.equal(ours.stem.weight, net.backbone.stem.weight)
