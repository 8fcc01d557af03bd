"""Models of every family are used as timm's are: features, classifier, data, other channels."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from timm.models import adapt_input_conv

from nasvit_mm import create_model, get_space
from nasvit_mm.checkpoints import extract_subnet, save_weights
from nasvit_mm.errors import UsageError
from nasvit_mm.family import FAMILIES
from tests.families import NETWORKS, classifier, small


def images(channels: int = 3, height: int = 64, width: int = 128) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, channels, height, width, generator=generator)


@pytest.fixture(params=NETWORKS)
def space(request):
    return request.param


def test_features_are_what_their_description_says(space):
    model = create_model(space, 'smallest', features_only=True, in_chans=4, num_classes=0).eval()
    with torch.inference_mode():
        maps = model(images(4))
    assert isinstance(maps, list) and len(maps) == 4
    info = model.feature_info
    assert [m.shape[1] for m in maps] == info.channels()
    assert [128 / m.shape[3] for m in maps] == info.reduction()
    for name in info.module_name():
        model.get_submodule(name)


@pytest.mark.parametrize(
    ('out_indices', 'expected'), [((1, 3), (1, 3)), ((-2, -1), (-2, -1)), (2, (-2, -1))], ids=str
)
def test_outputs_are_chosen_as_in_timm(space, out_indices, expected):
    last = len(FAMILIES[space].part('backbone').strides)
    model = create_model(space, 'smallest', features_only=True, out_indices=out_indices)
    assert model.feature_info.out_indices == tuple(i % last for i in expected)


def test_features_of_a_supernet_follow_its_architecture(space):
    torch.manual_seed(0)
    model = create_model(small(space), features_only=True).eval()
    arch = small(space).smallest
    subnet = extract_subnet(model, arch)
    largest = model.feature_info.channels()
    model.set_arch(arch)
    assert model.feature_info.channels() == subnet.feature_info.channels() != largest
    with torch.inference_mode():
        for a, b in zip(model(images()), subnet(images()), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_taps_are_in_the_description(space):
    model = create_model(space, 'smallest', features_only=True, out_width=24)
    assert model.feature_info.channels() == [24] * 4


def test_a_classifier_in_two_halves(space):
    model, x = classifier(space, 'smallest', num_classes=5).eval(), images()
    with torch.inference_mode():
        features = model.forward_features(x)
        assert torch.equal(model.forward_head(features), model(x))
        pooled = model.forward_head(features, pre_logits=True)
        assert features.shape[1] == model.num_features
        assert pooled.shape == (2, model.head_hidden_size)
        model.reset_classifier(0)
        assert torch.equal(model(x), pooled) and model.num_classes == 0


def test_the_classifier_is_replaced(space):
    model = create_model(space, 'smallest', num_classes=5).double()
    model.reset_classifier(7)
    assert model(images().double()).shape == (2, 7) and model.num_classes == 7
    assert model.get_classifier().weight.shape == (7, model.head_hidden_size)
    with pytest.raises(UsageError, match="global_pool = 'max'"):
        model.reset_classifier(7, 'max')


def test_a_new_classifier_begins_as_one_that_is_built(space):
    built, replaced = (create_model(space, 'smallest', num_classes=n) for n in (500, 5))
    replaced.reset_classifier(500)
    stds = [model.get_classifier().weight.std() for model in (built, replaced)]
    torch.testing.assert_close(*stds, rtol=0.1, atol=0)


def test_no_classes_survive_extraction(space):
    model = create_model(small(space), num_classes=0)
    subnet = extract_subnet(model, small(space).smallest)
    assert subnet(images()).shape == (2, subnet.head_hidden_size)


def test_timm_makes_the_data_pipeline(space):
    model = create_model(space, 'smallest', num_classes=3).eval()
    config = timm.data.resolve_model_data_config(model)
    assert config['input_size'] == (3, 224, 224) and model.default_cfg == model.pretrained_cfg
    x = timm.data.create_transform(**config)(Image.new('RGB', (300, 300)))
    with torch.inference_mode():
        assert model(x[None]).shape == (1, 3)
    convolutions = model.pretrained_cfg['first_conv']
    for name in [convolutions] if isinstance(convolutions, str) else convolutions:
        assert model.get_submodule(name).in_channels == 3


@pytest.mark.parametrize('channels', [1, 4])
def test_rgb_weights_are_adapted(space, channels, tmp_path):
    """Of a classifier, and of a backbone in a dense model, as timm's helper does it."""
    theirs = classifier(space, 'smallest', num_classes=5)
    file = str(tmp_path / 'rgb.pth')
    save_weights(file, theirs.state_dict(), theirs.space, theirs.arch)
    ours = create_model(space, 'smallest', in_chans=channels, num_classes=5, pretrained=Path(file))
    init = dict(type='Pretrained', checkpoint=file)
    net = FAMILIES[space].part('backbone')(
        'smallest', space, in_channels=channels, out_width=8, init_cfg=init
    )
    net.init_weights()
    for layer in ours.backbone.input_layers:
        expected = adapt_input_conv(channels, theirs.backbone.get_submodule(layer).weight)
        assert torch.equal(ours.backbone.get_submodule(layer).weight, expected)
        assert torch.equal(net.get_submodule(layer).weight, expected)
    assert torch.equal(ours.get_classifier().weight, theirs.get_classifier().weight)


def test_a_supernet_of_rgb_is_sliced_for_other_channels(space, tmp_path):
    supernet = classifier(space, num_classes=5)
    file, arch = str(tmp_path / 'supernet.pth'), small(space).smallest
    save_weights(file, supernet.state_dict(), supernet.space, None)
    ours = create_model(small(space), arch, in_chans=2, num_classes=7, pretrained=file)
    subnet = extract_subnet(supernet, arch)
    for layer in ours.backbone.input_layers:
        expected = adapt_input_conv(2, subnet.backbone.get_submodule(layer).weight)
        assert torch.equal(ours.backbone.get_submodule(layer).weight, expected)


def test_weights_of_other_channels_are_refused(space, tmp_path):
    theirs = create_model(space, 'smallest', in_chans=5)
    save_weights(tmp_path / 'five.pth', theirs.state_dict(), theirs.space, theirs.arch)
    with pytest.raises(UsageError, match=r'five.pth .* 5 channels, the model takes 4.*=5'):
        create_model(space, 'smallest', in_chans=4, pretrained=str(tmp_path / 'five.pth'))


def test_images_of_other_channels_are_refused(space):
    with pytest.raises(ValueError, match=r'expected \(N, 4, H, W\), as in_channels = 4'):
        create_model(space, 'smallest', in_chans=4)(images(3))


def test_what_makes_no_sense(space):
    for options, message in (
        (dict(num_classes=-1), 'num_classes = -1'),
        (dict(in_chans=0), 'in_channels = 0'),
        (dict(out_indices=(1,)), 'features_only=True'),
        (dict(global_pool=''), "global_pool = ''"),
        (dict(features_only=True, out_indices=9), 'out_indices = 9'),
        (dict(features_only=True, out_indices=(-9,)), 'out_indices = -9'),
        (dict(in_chans=2, in_channels=4), 'give one of them'),
    ):
        with pytest.raises(UsageError, match=message):
            create_model(get_space(space), 'smallest', **options)
