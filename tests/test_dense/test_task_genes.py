"""Genes of the task in a dense model: what is trained, counted, extracted and built is one."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from nasvit_mm import create_model, get_space
from nasvit_mm.dense import (
    SearchedModel,
    build_model,
    build_network,
    check_channels,
    count_model,
    kind_of,
    searched_model,
)
from nasvit_mm.deploy.latency_table import about_task
from nasvit_mm.errors import UsageError
from nasvit_mm.spaces import Space
from tests.commands import ROOT
from tests.families import randomised
from tests.test_supernet.tasks import WIDTH, batch, model_config

SIZE = (64, 96)
TASK = dict(scale=[50, 100], taps=[8, 16], head=[8, 16], outputs=[2, 3, 4])
CHOSEN = (
    dict(scale=50, taps=8, head=8, outputs=4),
    dict(scale=100, taps=8, head=16, outputs=3),
    dict(scale=100, taps=16, head=8, outputs=2),
)
FPN = dict(
    type='FPNHead',
    in_index=[0, 1, 2, 3],
    in_channels=[WIDTH] * 4,
    feature_strides=[4, 8, 16, 32],
    channels=WIDTH,
    num_classes=4,
    norm_cfg=dict(type='BN'),
)
PARTS = {
    'segformer': dict(),
    'fpn': dict(decode_head=FPN),
    'neck': dict(
        neck=dict(type='FPN', in_channels=[WIDTH] * 4, out_channels=12, num_outs=4),
        decode_head=dict(FPN, in_channels=[12] * 4),
    ),
}


def quick() -> Space:
    """A space whose supernet is quick to build."""
    space = get_space('nasvit')
    depth = [choices[:1] for choices in space.field('depth').choices]
    return space.restrict(resolution=32, depth=depth)


def config(parts: str = 'segformer', **task: list[int]) -> Config:
    model = model_config('nasvit', 'segmentation') | copy.deepcopy(PARTS[parts])
    model['backbone']['space'] = quick().with_task(task).to_dict()
    return Config(dict(model=model, default_scope='mmseg'))


@pytest.fixture(params=PARTS)
def case(request) -> tuple[SearchedModel, nn.Module]:
    """The dense model that is searched, and its supernet."""
    cfg = config(request.param, **TASK)
    init_default_scope('mmseg')
    torch.manual_seed(0)
    supernet = build_network(cfg.model).eval()
    randomised(supernet.backbone)
    for norm in supernet.decode_head.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 1.5)
    return searched_model(cfg), supernet


def test_supernet_extract_and_built_model_are_one(case):
    """They give the same, and the built one costs what was counted before it was there."""
    searched, supernet = case
    x, kind = torch.randn(1, 3, *SIZE), kind_of(supernet)
    run = kind.prediction_fn(supernet, SIZE)
    archs = [searched.space.sample(0).replace(**task) for task in CHOSEN]
    costs = searched.total(searched.space.genes(archs), SIZE)
    for i, arch in enumerate(archs):
        subnet = kind.extract(supernet, arch).eval()
        built = build_model(searched.config(arch))
        built.load_state_dict(subnet.state_dict())
        assert type(built.decode_head).__module__.startswith('mmseg.')
        assert built.decode_head.channels == arch.head
        supernet.backbone.set_arch(arch)
        with torch.no_grad():
            expected = run(supernet, x)
            assert expected.shape[2:] == SIZE
            for model in (subnet, built):
                torch.testing.assert_close(run(model, x), expected, rtol=1e-5, atol=1e-5)
        cost = count_model(built, SIZE)
        assert (cost.total_macs, cost.total_params) == (costs.macs[i], costs.params[i])


def test_training_step_of_a_subnet_is_the_supernets(case):
    """Loss, gradients and statistics are the subnet's, on its own channels."""
    searched, supernet = case
    arch = searched.space.sample(1).replace(scale=50, taps=8, head=8, outputs=4)
    subnet = kind_of(supernet).extract(supernet, arch)
    supernet.backbone.set_arch(arch)
    losses = []
    for model in (supernet, subnet):
        model.train()
        data = batch(model, SIZE)
        torch.manual_seed(0)  # dropout
        losses.append(kind_of(model).forward(model, data).loss)
        losses[-1].backward()
    torch.testing.assert_close(losses[0], losses[1])
    ours = dict(supernet.named_parameters()) | dict(supernet.named_buffers())
    for name, theirs in [*subnet.named_parameters(), *subnet.named_buffers()]:
        if theirs.grad is not None:
            torch.testing.assert_close(
                ours[name].grad.norm(), theirs.grad.norm(), rtol=1e-3, atol=1e-6
            )
        if 'running' in name and not name.startswith('backbone'):
            width = len(theirs)
            torch.testing.assert_close(ours[name][:width], theirs)
            assert width < len(ours[name]) or name.startswith('neck')


def test_as_the_config_has_it_a_candidate_costs_what_it_did():
    """The largest choices are the model without genes, to the last unit."""
    with_genes = searched_model(config(**TASK))
    without = searched_model(config())
    arch = without.space.sample(0)
    a = with_genes.total(with_genes.space.genes([arch]), SIZE)
    b = without.total(without.space.genes([arch]), SIZE)
    assert (a.macs, a.params, a.breakdown) == (b.macs, b.params, b.breakdown)
    assert with_genes.config(arch).model == without.config(arch).model


def test_many_candidates_cost_what_each_does():
    searched = searched_model(config(**TASK))
    genes = searched.space.sample_genes(0, 12)
    many = searched.total(genes, SIZE)
    for i, row in enumerate(genes):
        one = searched.total(row[None], SIZE)
        assert (one.macs[0], one.params[0]) == (many.macs[i], many.params[i])
    assert np.array_equal(sum(many.breakdown.values()), many.macs)


def test_without_taps_the_widths_of_the_outputs_stay_genes():
    cfg = config(scale=[50, 100], head=[8, 16])
    cfg.model.backbone.pop('out_width')
    searched = searched_model(cfg)
    arch = searched.space.sample(3).replace(scale=50, head=8)
    cost = count_model(build_model(searched.config(arch)), SIZE)
    assert cost.total_macs == searched.total(searched.space.genes([arch]), SIZE).macs[0]


def test_an_elastic_model_passes_the_check_of_channels():
    check_channels(build_network(config('neck', **TASK).model))


def heads(kind: str) -> dict:
    return dict(type=kind, in_channels=WIDTH, in_index=3, channels=8, num_classes=4)


@pytest.mark.parametrize(
    'change, task, said',
    [
        (dict(decode_head=heads('FCNHead')), dict(head=[4, 8]), 'decode_head is a FCNHead'),
        (dict(auxiliary_head=heads('FCNHead')), dict(taps=[8, 16]), 'auxiliary_head is a FCNHead'),
        (dict(), dict(head=[8, 32]), 'set decode_head.channels=32'),
        (dict(), dict(head=[4, 8]), 'end the choices of head with 16'),
        (dict(), dict(taps=[8, 24]), 'set backbone.out_width=24'),
        (dict(), dict(scale=[50, 75]), 'end the choices of scale with 100'),
        (dict(), dict(outputs=[2, 3]), 'number of maps in decode_head.in_index = 4'),
    ],
)
def test_genes_that_the_model_cannot_have(change, task, said):
    cfg = config(**task)
    cfg.model.update(change)
    if 'decode_head' in change:
        cfg.model.decode_head = change['decode_head']
    with pytest.raises(UsageError, match=said):
        build_network(cfg.model)


def test_a_detector_has_no_scale():
    model = model_config('nasvit', 'detection')
    model['backbone']['space'] = quick().with_task(dict(scale=[50, 100])).to_dict()
    with pytest.raises(UsageError, match='scale is a gene of segmentors.*RetinaNet'):
        build_network(model)


def test_fewer_choices_may_be_searched_than_are_trained():
    searched = SearchedModel(config(**TASK), quick().with_task(dict(head=[8])))
    model = searched.config('smallest').model
    assert (model.decode_head.channels, model.backbone.out_width) == (8, WIDTH)


def test_a_detector_takes_no_scaled_input():
    cfg = Config(dict(model=model_config('nasvit', 'detection'), default_scope='mmdet'))
    cfg.model.backbone.update(arch='smallest', input_scale=50)
    with pytest.raises(UsageError, match='input_scale = 50.*resize the images in the pipelines'):
        build_model(cfg)


def test_a_classifier_has_no_genes_of_a_task():
    with pytest.raises(UsageError, match='scale are genes of a dense model'):
        create_model(quick().with_task(dict(scale=[50, 100])))


def test_a_latency_table_has_none_either():
    with pytest.raises(UsageError, match='genes of the task, head'):
        about_task(searched_model(config(head=[8, 16])), SIZE)


def detector(kind: str) -> Config:
    """A detector whose head is elastic: the demo's, with its own head or with RTMDet's."""
    model = model_config('nasvit', 'detection')
    model['backbone']['space'] = quick().with_task(dict(taps=[8, 16], head=[32, 64])).to_dict()
    if kind == 'RTMDetSepBNHead':
        rtmdet = Config.fromfile(ROOT / 'configs/_base_/models/rtmdet.py').model
        head = dict(rtmdet.bbox_head, num_classes=4, in_channels=64, feat_channels=64)
        head['anchor_generator']['strides'] = [8, 16, 32, 64, 128]
        model |= dict(bbox_head=head, train_cfg=rtmdet.train_cfg, test_cfg=rtmdet.test_cfg)
    assert model['bbox_head']['type'] == kind
    return Config(dict(model=model, default_scope='mmdet'))


@pytest.mark.parametrize('kind', ['RetinaHead', 'RTMDetSepBNHead'])
def test_a_detectors_head(kind):
    """As a segmentor's, weights that levels share included."""
    cfg = detector(kind)
    init_default_scope('mmdet')
    searched, supernet = searched_model(cfg), build_network(cfg.model).eval()
    randomised(supernet.backbone)
    arch = searched.space.sample(0).replace(taps=8, head=32)
    subnet, of = kind_of(supernet).extract(supernet, arch), kind_of(supernet)
    built = build_model(searched.config(arch))
    built.load_state_dict(subnet.state_dict())
    assert built.bbox_head.feat_channels == 32
    supernet.backbone.set_arch(arch)
    x = torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        theirs, ours = (
            of.prediction_fn(model, SIZE)(model, x) for model in (built.eval(), supernet)
        )
        maps = [model.bbox_head(model.extract_feat(x)) for model in (supernet, built)]
    torch.testing.assert_close(*maps, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    cost = searched.total(searched.space.genes([arch]), SIZE)
    counted = count_model(built, SIZE)
    assert (counted.total_macs, counted.total_params) == (cost.macs[0], cost.params[0])
    losses = []
    for model in (supernet, subnet):
        model.train()
        losses.append(of.forward(model, batch(model, SIZE)).loss.detach())
    torch.testing.assert_close(*losses)


def test_a_width_that_the_head_cannot_have():
    """Of a group norm of 16 groups: it is said when the supernet is built, not in a step."""
    cfg = detector('RetinaHead')
    cfg.model.backbone.space = quick().with_task(dict(head=[24, 64])).to_dict()
    init_default_scope('mmdet')
    with pytest.raises(UsageError, match='head = 24 in space.task: RetinaHead cannot be built'):
        build_network(cfg.model)
