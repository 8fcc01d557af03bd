"""Weights of others by name or by file: converted, sliced, or laid in, whatever takes them."""

from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import save_file

from nasvit_mm import create_model, list_models
from nasvit_mm.checkpoints import save_weights
from nasvit_mm.errors import UsageError
from nasvit_mm.family import FAMILIES
from nasvit_mm.spaces import how_to_get, weights_of
from tests.families import NETWORKS, classifier

TWINS = ['twins_svt_small', 'twins_svt_base', 'twins_svt_large']


def pretrained(kind, source, **options):
    init = dict(type='Pretrained', checkpoint=str(source))
    net = FAMILIES[kind].part('backbone')(init_cfg=init, **options)
    net.init_weights()
    return net.eval()


@pytest.fixture(scope='module')
def hub(tmp_path_factory):
    """A cache of the Hugging Face hub as its client leaves it, and timm's model in it."""
    cache = tmp_path_factory.mktemp('hub')
    folder = cache / 'models--timm--twins_svt_small.in1k'
    (folder / 'refs').mkdir(parents=True)
    (folder / 'refs' / 'main').write_text('0' * 40)
    place = folder / 'snapshots' / ('0' * 40)
    place.mkdir(parents=True)
    torch.manual_seed(0)
    theirs = timm.create_model('twins_svt_small').eval()
    save_file(theirs.state_dict(), place / 'model.safetensors')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('huggingface_hub.constants.HF_HUB_CACHE', str(cache))
        patch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
        yield theirs, place / 'model.safetensors'


@pytest.mark.slow
@pytest.mark.parametrize('source', ['twins_svt_small', 'timm://twins_svt_small.in1k', 'file'])
def test_twins_by_timms_name_gives_timms_features(hub, source):
    theirs, file = hub
    source = file if source == 'file' else source
    ours = pretrained('vitas_twins', source, arch='twins_svt_small', mask_padding=False)
    x = torch.randn(1, 3, 96, 128)
    with torch.no_grad():
        expected = theirs.forward_intermediates(x, intermediates_only=True)
        for a, b in zip(ours(x), expected, strict=True):
            assert (a - b).abs().max() < 1e-5


@pytest.mark.slow
def test_create_model_takes_them_too(hub):
    theirs, _ = hub
    x = torch.randn(2, 3, 224, 224)
    ours = create_model('twins_svt_small', pretrained=True).eval()
    with torch.no_grad():
        assert (ours(x) - theirs(x)).abs().max() < 1e-5
    other = create_model('twins_svt_small', num_classes=7, pretrained=True)
    assert torch.equal(other.head.norm.weight, ours.head.norm.weight)


@pytest.mark.slow
def test_a_supernet_takes_a_member_of_its_space(hub):
    theirs, _ = hub
    space = dict(space='vitas_twins', restrict=dict(width=[[64, 96], [128, 192], [256], [512]]))
    options = dict(arch='supernet', space=space, mask_padding=False)
    net = pretrained('vitas_twins', 'twins_svt_small', **options)
    net.set_arch('twins_svt_small')
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = theirs.forward_intermediates(x, intermediates_only=True)
        assert all((a - b).abs().max() < 1e-5 for a, b in zip(net(x), expected, strict=True))


@pytest.mark.slow
def test_names_that_timm_or_the_hub_do_not_have(hub):
    with pytest.raises(UsageError, match=r'timm has no weights of that name \(did you mean'):
        pretrained('vitas_twins', 'timm://twins_svt_smal.in1k', arch='twins_svt_small')
    with pytest.raises(UsageError, match=r'timm could not get .*base.*model\.safetensors'):
        pretrained('vitas_twins', 'twins_svt_base', arch='twins_svt_base')
    with pytest.raises(UsageError, match=r'ckpt_360\.pth from https.*CC BY-NC'):
        create_model('nasvit_min', pretrained=True)
    with pytest.raises(UsageError, match='is of the architecture .* the model of'):
        pretrained('vitas_twins', 'twins_svt_small', arch='twins_tiny')
    with pytest.raises(UsageError, match='is of the space vitas_twins, the model of nasvit'):
        pretrained('nasvit', 'twins_svt_small', arch='nasvit_min')


@pytest.mark.parametrize('space', NETWORKS)
def test_a_supernets_file_is_sliced_for_a_network(space, tmp_path):
    supernet = classifier(space).eval()
    save_weights(tmp_path / 'all.pth', supernet.state_dict(), supernet.space, None)
    arch = supernet.space.sample(0)
    last = len(type(supernet.backbone).strides) - 1
    ours = pretrained(space, tmp_path / 'all.pth', arch=arch, out_indices=(last,))
    supernet.set_arch(arch)
    with torch.no_grad():
        x = torch.randn(1, 3, 64, 64)
        expected = supernet.backbone.eval()(x)[-1]
        assert torch.allclose(ours(x)[-1], expected, atol=1e-5)


def test_listing_by_wildcards_and_by_weights():
    assert list_models('twins*') == [*TWINS, 'twins_tiny', 'twins_mini']
    assert list_models(['nasvit', 'vitas_?']) == [
        'nasvit',
        'vitas_f',
        'vitas_c',
        *'',
        'vitas_a',
        'vitas_b',
        'vitas_e',
    ]
    assert list_models('twins*', pretrained=True) == TWINS
    assert len(set(list_models())) == len(list_models())


@pytest.mark.parametrize('name', list_models(pretrained=True))
def test_every_weight_has_its_facts(name):
    entry = weights_of(name)
    assert entry['link'].startswith('https://') and entry['licence'] and entry['where']
    assert entry['command'].startswith('nasvit-mm convert ')
    assert 'timm' in entry or entry['file'] in how_to_get(name)
    if 'timm' in entry:
        assert timm.is_model_pretrained(entry['timm'])
