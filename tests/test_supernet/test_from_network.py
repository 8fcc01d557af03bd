"""A supernet out of a network: classifier, segmentor, detector; by file, folder and config."""

from __future__ import annotations

import copy
import logging
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from nasvit_mm import create_model, get_space
from nasvit_mm.apis import make_supernet
from nasvit_mm.checkpoints import save_weights
from nasvit_mm.dense import build_model, build_network, kind_of, searched_model
from nasvit_mm.errors import UsageError
from nasvit_mm.family import FAMILIES
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import from_network, load_supernet
from tests.families import NETWORKS, randomised
from tests.test_dense.test_task_genes import config as task_config
from tests.test_supernet.tasks import model_config

IMAGES = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
DENSE = [*((space, 'segmentation') for space in NETWORKS), ('nasvit', 'detection')]


@pytest.fixture
def warnings(monkeypatch):
    """What is warned of."""
    said = []

    def keep(text, logger=None, level=logging.INFO):
        if level == logging.WARNING:
            said.append(text)

    monkeypatch.setattr(from_network, 'print_log', keep)
    monkeypatch.setattr('nasvit_mm.checkpoints.network.print_log', keep)
    return said


def trained(folder, space, task, **options):
    """A network in a task's model, and its checkpoint of training; (model, space, file)."""
    cfg = model_config(space, task)
    part = cfg if task == 'classification' else cfg['backbone']
    of = get_space(part['space'])
    part.update(arch=of.sample(4).to_dict(), **options)
    if options.get('out_width', 0) is None:
        net = FAMILIES[space].part('backbone')(part['arch'], of)
        cfg['decode_head']['in_channels'] = list(net.out_channels)
    init_default_scope({'detection': 'mmdet'}.get(task, 'mmseg'))
    torch.manual_seed(0)
    model = randomised(MODELS.build(copy.deepcopy(cfg))).eval()
    scope = {'detection': 'mmdet', 'segmentation': 'mmseg'}.get(task, 'mmengine')
    text = Config(dict(model=cfg, default_scope=scope)).pretty_text
    torch.save(dict(state_dict=model.state_dict(), meta=dict(cfg=text)), folder / 'net.pth')
    return model, of, folder / 'net.pth'


def outputs(model):
    with torch.no_grad():
        found = model(IMAGES)
    return [t for level in found for t in level] if isinstance(found, tuple) else [found]


def same(ours, theirs):
    return all(
        torch.allclose(a, b, atol=1e-5) for a, b in zip(outputs(ours), outputs(theirs), strict=True)
    )


@pytest.mark.parametrize('space, task', DENSE)
def test_a_dense_model_with_its_head(space, task, tmp_path):
    alone, of, file = trained(tmp_path, space, task)
    made = make_supernet(file, of, tmp_path / 'supernet.pth')
    again = load_supernet(str(tmp_path / 'supernet.pth'))
    again.backbone.set_arch(made.arch)
    assert same(again, alone)
    assert 'head' not in made.note and again.backbone.space == of


@pytest.mark.parametrize('space', NETWORKS)
def test_a_classifier(space, tmp_path):
    alone, of, file = trained(tmp_path, space, 'classification')
    made = make_supernet(file, of, tmp_path / 'supernet.pth')
    again = load_supernet(str(tmp_path / 'supernet.pth'))
    again.backbone.set_arch(made.arch)
    assert same(again, alone)


def test_a_head_of_other_widths_is_left_out_and_said(tmp_path):
    alone, of, file = trained(tmp_path, 'nasvit', 'segmentation', out_width=None)
    made = make_supernet(file, of)
    made.model.eval().set_arch(made.arch)
    assert 'Its head is left out' in made.note
    with torch.no_grad():
        for a, b in zip(made.model(IMAGES), alone.backbone(IMAGES), strict=True):
            assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize('task', ['classification', 'segmentation'])
def test_init_in_a_supernets_config(task, tmp_path):
    alone, _, file = trained(tmp_path, 'vitas_twins', task)
    cfg = dict(
        type='nasvit_mm.Supernet',
        model=model_config('vitas_twins', task),
        sampler=dict(type='single_path'),
        init=dict(network=str(file), phase=1),
    )
    net = MODELS.build(cfg).eval()
    net.init_weights()
    net.set_arch(alone.backbone.space.largest, phase=1)
    assert same(net.model, alone)


def in_a_supernet(file, **backbone):
    cfg = model_config('nasvit', 'segmentation')
    cfg['backbone'].update(backbone)
    sampler = dict(type='single_path')
    net = MODELS.build(
        dict(type='nasvit_mm.Supernet', model=cfg, sampler=sampler, init=str(file))
    ).eval()
    net.init_weights()
    return net


def test_a_network_that_saw_images_otherwise_is_told_of(tmp_path, warnings):
    file = trained(tmp_path, 'nasvit', 'segmentation', input_scale=50, attention='global')[2]
    in_a_supernet(file, input_scale=50, attention='global')
    assert not warnings
    in_a_supernet(file)
    assert 'at 50 % of the size of the images, the model at 100 %' in warnings[0]
    assert "its attention is 'global', that of the model 'auto'" in warnings[1]


def test_where_the_scale_is_a_gene_the_network_has_its_own(tmp_path):
    alone, of, file = trained(tmp_path, 'nasvit', 'segmentation', input_scale=50)
    space = get_space(dict(of.to_dict(), task=dict(scale=[50, 100])))
    net = in_a_supernet(file, space=space.to_dict())
    arch = {**alone.backbone.arch.to_dict(), 'scale': 50}
    net.set_arch(arch)
    assert same(net.model, alone)
    with pytest.raises(UsageError, match='net.pth is no member of the space: .*scale = 50'):
        make_supernet(file, get_space(dict(of.to_dict(), task=dict(scale=[75, 100]))))


TASK = dict(scale=[50, 100], taps=[8, 16], head=[8, 16], outputs=[2, 4])


def with_task(heads, tmp_path):
    """A supernet with genes of the task, and a network of its smallest as an export has it."""
    cfg = task_config(heads, **TASK)
    searched = searched_model(cfg)
    arch = searched.space.sample(1).replace(scale=50, taps=8, head=8, outputs=2)
    alone_cfg = searched.config(arch)
    torch.manual_seed(0)
    alone = build_model(copy.deepcopy(alone_cfg))
    randomised(alone.backbone)
    for norm in alone.decode_head.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 1.5)
    own = searched.space.split(arch)[0]
    save_weights(tmp_path / 'weights.pth', alone.state_dict(), searched.space.without_task, own)
    (tmp_path / 'config.py').write_text(alone_cfg.pretty_text)
    return cfg, alone, arch


def prediction(model):
    with torch.no_grad():
        return kind_of(model).prediction_fn(model, (64, 64))(model, IMAGES)


@pytest.mark.parametrize('heads', ['segformer', 'neck'])
def test_where_taps_head_and_maps_are_genes_the_network_has_its_own(heads, tmp_path, warnings):
    """By ``init`` and by the command; the narrow head is laid into the wide one."""
    cfg, alone, arch = with_task(heads, tmp_path)
    net = MODELS.build(
        dict(
            type='nasvit_mm.Supernet',
            model=copy.deepcopy(cfg.model),
            sampler=dict(type='single_path'),
            init=str(tmp_path),
        )
    ).eval()
    net.init_weights()
    made = make_supernet(tmp_path, net.model.backbone.space, tmp_path / 'supernet.pth')
    assert made.arch == arch and not warnings
    for model in (net.model, load_supernet(str(tmp_path / 'supernet.pth'))):
        model.backbone.set_arch(arch)
        assert torch.allclose(prediction(model), prediction(alone), atol=1e-5)


def test_a_width_that_is_no_choice_is_refused(tmp_path):
    cfg, _, _ = with_task('segformer', tmp_path)
    space = get_space(cfg.model.backbone.space)
    with pytest.raises(UsageError, match='is no member of the space: .*head = 8'):
        make_supernet(tmp_path, space.with_task(dict(TASK, head=[16])))


def test_a_head_that_cannot_be_laid_in_is_warned_of(tmp_path, warnings):
    file = trained(tmp_path, 'nasvit', 'segmentation')[2]
    content = torch.load(file)
    state, wide = content['state_dict'], 'decode_head.conv_seg.weight'
    state[wide] = state[wide][:, :4]
    torch.save(content, file)
    in_a_supernet(file)
    assert re.search(r'1 tensors .*conv_seg.weight is \(4, 4, 1, 1\) there, .*16', warnings[0])
    taps = 'backbone.taps.0.proj.weight'
    state[taps] = state[taps][:4]
    torch.save(content, file)
    in_a_supernet(file)
    assert 'taps.0.proj.weight is (4, ' in ' '.join(warnings)


def test_an_architecture_that_contradicts_the_file(tmp_path):
    space = get_space('nasvit').restrict(resolution=32)
    net = create_model(space, 'smallest', num_classes=3)
    save_weights(tmp_path / 'net.pth', net.state_dict(), space, net.arch)
    make_supernet(tmp_path / 'net.pth', space, arch='smallest')
    with pytest.raises(UsageError, match='arch = .* is another one in .*width.*: leave arch out'):
        make_supernet(tmp_path / 'net.pth', space, arch='largest')


@pytest.mark.parametrize('task', ['classification', 'segmentation'])
def test_an_architecture_out_of_a_supernets_file(task, tmp_path):
    """It is sliced with its head, an elastic one too."""
    cfg = task_config(**TASK) if task == 'segmentation' else None
    model = cfg.model.to_dict() if cfg else model_config('nasvit', task)
    init_default_scope('mmseg')
    torch.manual_seed(0)
    theirs = randomised(build_network(copy.deepcopy(model))).eval()
    text = Config(dict(model=model, default_scope='mmseg')).pretty_text
    torch.save(dict(state_dict=theirs.state_dict(), meta=dict(cfg=text)), tmp_path / 'net.pth')
    arch = theirs.backbone.space.sample(2)
    made = make_supernet(tmp_path / 'net.pth', theirs.backbone.space, arch=arch)
    assert made.arch == arch
    for each in (theirs, made.model.eval()):
        each.backbone.set_arch(arch)
    if task == 'classification':
        assert same(made.model, theirs)
    else:
        assert torch.allclose(prediction(made.model), prediction(theirs), atol=1e-5)


@pytest.mark.parametrize('space', NETWORKS)
def test_an_architecture_out_of_a_backbones_file(space, tmp_path):
    """What make_supernet writes of a network without a head, of images of one channel."""
    part = FAMILIES[space].part('backbone')
    options = dict(out_indices=(len(part.strides) - 1,), in_channels=1)
    net = randomised(part(get_space(space).sample(2), space, **options)).eval()
    state = {f'backbone.{k}': v for k, v in net.state_dict().items()}
    save_weights(tmp_path / 'net.pth', state, get_space(space), net.arch)
    make_supernet(tmp_path / 'net.pth', space, tmp_path / 'supernet.pth')
    again = make_supernet(tmp_path / 'supernet.pth', space, arch=net.arch).model.eval()
    again.set_arch(net.arch)
    with torch.no_grad():
        assert torch.allclose(again(IMAGES[:, :1])[-1], net(IMAGES[:, :1])[-1], atol=1e-5)
    with pytest.raises(UsageError, match='holds the backbone of a supernet alone'):
        load_supernet(str(tmp_path / 'supernet.pth'))


def test_a_supernet_of_images_of_one_channel(tmp_path):
    net = create_model('nasvit', 'smallest', 3, in_chans=1)
    save_weights(tmp_path / 'net.pth', net.state_dict(), net.space, net.arch)
    made = make_supernet(tmp_path / 'net.pth', 'nasvit', tmp_path / 'supernet.pth').model
    state = load_supernet(str(tmp_path / 'supernet.pth')).state_dict()
    assert all(torch.equal(state[k], v) for k, v in made.state_dict().items())


@pytest.mark.parametrize('space', ['vitas_twins', 'vitas_deit_small'])
def test_what_empty_slots_hold_does_not_matter(space, tmp_path):
    space = get_space(space)
    net = randomised(create_model(space, 'smallest', 3)).eval()
    save_weights(tmp_path / 'net.pth', net.state_dict(), space, net.arch)
    heads = net.arch.heads
    other = space.restrict(
        mlp_width=[c[1:] if not h else c for c, h in zip(space.field('mlp_width').choices, heads)]
    )
    made = make_supernet(tmp_path / 'net.pth', other).model.eval()
    made.set_arch(other.adopted(net.arch))
    assert 0 in heads and same(made, net)


@pytest.mark.parametrize(
    'space, options, said',
    [
        ('vitas_twins', dict(stage_norm=True), 'has stage_norms and taps, for which the model'),
        ('vitas_twins', dict(mask_padding=False), 'computes with mask_padding=False, that of'),
        ('vitas_deit_small', dict(last_position_only=True), 'with last_position_only=True, that'),
    ],
)
def test_a_network_that_computes_otherwise_is_told_of(space, options, said, tmp_path, warnings):
    _, of, file = trained(tmp_path, space, 'segmentation', **options)
    cfg = model_config(space, 'segmentation')
    cfg['backbone'].update(out_width=None)
    net = FAMILIES[space].part('backbone')('supernet', of)
    cfg['decode_head']['in_channels'] = list(net.out_channels)
    model = build_network(cfg)
    from_network.begin_with(model, str(file))
    assert any(said in each for each in warnings)


def test_the_blocks_of_a_deeper_network_are_refused(tmp_path):
    space = get_space('nasvit').restrict(resolution=32)
    deep = space.restrict(
        **{
            f.name: f.choices[0][0] if not f.positions else [c[:1] for c in f.choices]
            for f in space.fields
            if f.name != 'depth'
        }
    )
    torch.save(create_model(deep, 'largest', num_classes=3).state_dict(), tmp_path / 'net.pth')
    with pytest.raises(UsageError, match=r'entries more, the first: .*stages'):
        make_supernet(tmp_path / 'net.pth', space, arch='smallest')


def test_a_classifiers_options_stay(tmp_path):
    cfg = dict(model_config('nasvit', 'classification'), resize=False, in_chans=1)
    of = get_space(cfg['space'])
    cfg['arch'] = of.sample(4).to_dict()
    torch.manual_seed(0)
    alone = randomised(MODELS.build(copy.deepcopy(cfg))).eval()
    text = Config(dict(model=cfg)).pretty_text
    torch.save(dict(state_dict=alone.state_dict(), meta=dict(cfg=text)), tmp_path / 'net.pth')
    made = make_supernet(tmp_path / 'net.pth', of, tmp_path / 'supernet.pth')
    again = load_supernet(str(tmp_path / 'supernet.pth'))
    again.set_arch(made.arch)
    x = IMAGES[:, :1]
    with torch.no_grad():
        assert torch.allclose(again(x), alone(x), atol=1e-5)
    # Of one that says no more than its architecture, the channels are those of its weights.
    save_weights(tmp_path / 'net.pth', alone.state_dict(), of, of.arch(cfg['arch']))
    assert make_supernet(tmp_path / 'net.pth', of).model.in_chans == 1


def test_what_larger_widths_begin_with_can_be_chosen(tmp_path):
    file, of = trained(tmp_path, 'nasvit', 'classification')[2:0:-1]
    nets = [make_supernet(file, of, share=share).model.state_dict() for share in (None, 0.5)]
    differing = [k for k in nets[0] if not torch.equal(nets[0][k], nets[1][k])]
    assert differing
    cfg = model_config('nasvit', 'classification')
    init = dict(network=str(file), share=0.5)
    net = MODELS.build(
        dict(type='nasvit_mm.Supernet', model=cfg, sampler=dict(type='single_path'), init=init)
    )
    net.init_weights()
    assert all(torch.equal(v, nets[1][k]) for k, v in net.model.state_dict().items())
    with pytest.raises(UsageError, match='share'):
        make_supernet(file, of, share='half')


def test_an_exports_folder(tmp_path):
    space = get_space('nasvit').restrict(resolution=32)
    torch.manual_seed(0)
    alone = randomised(create_model(space, space.sample(1))).backbone.eval()
    save_weights(tmp_path / 'weights.pth', alone.state_dict(), space, alone.arch)
    made = make_supernet(tmp_path, space)
    made.model.eval().set_arch(alone.arch)
    with torch.no_grad():
        assert torch.allclose(made.model(IMAGES)[-1], alone(IMAGES)[-1], atol=1e-5)


def test_what_does_not_fit_is_refused(tmp_path):
    space = get_space('nasvit')
    net = create_model(space, 'smallest', num_classes=3)
    save_weights(tmp_path / 'net.pth', net.state_dict(), space, net.arch)
    wide = space.restrict(width=[c[-1:] for c in space.field('width').choices])
    with pytest.raises(UsageError, match=r'is no member of the space: .*width.* nearest member'):
        make_supernet(tmp_path / 'net.pth', wide)
    with pytest.raises(UsageError, match='of the space nasvit, .* give --space nasvit'):
        make_supernet(tmp_path / 'net.pth', 'elasticvit')
    with pytest.raises(UsageError, match='--sharing cyclic: nasvit shares the first channels'):
        make_supernet(tmp_path / 'net.pth', space, sharing='cyclic')
    with pytest.raises(UsageError, match='phase'):
        make_supernet(tmp_path / 'net.pth', space, phase=1)
    save_weights(tmp_path / 'net.pth', net.state_dict(), space, space.largest)
    with pytest.raises(UsageError, match='does not fit its architecture'):
        make_supernet(tmp_path / 'net.pth', space)
    save_weights(tmp_path / 'net.pth', net.state_dict(), space, None)
    with pytest.raises(UsageError, match='is a supernet already'):
        make_supernet(tmp_path / 'net.pth', space)
    torch.save(dict(state_dict={'layer.weight': torch.zeros(3)}), tmp_path / 'net.pth')
    with pytest.raises(UsageError, match='not an official NASViT checkpoint'):
        make_supernet(tmp_path / 'net.pth', space, arch='smallest')


@pytest.mark.parametrize('prefix', ['', 'module.', '_orig_mod.'])
def test_weights_that_say_nothing_of_themselves(prefix, tmp_path):
    space = get_space('nasvit').restrict(resolution=32)
    torch.manual_seed(0)
    alone = randomised(create_model(space, 'smallest', num_classes=3)).eval()
    state = {f'{prefix}{key}': value for key, value in alone.state_dict().items()}
    torch.save(state, tmp_path / 'net.pth')
    made = make_supernet(tmp_path / 'net.pth', space, arch='smallest')
    made.model.eval().set_arch('smallest')
    assert same(made.model, alone)
