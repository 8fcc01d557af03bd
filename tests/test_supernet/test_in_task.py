"""Any space, sampler, rule and task go together; a subnet of a task model is a model of its own."""
from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapper

from nasvit_mm import get_space
from nasvit_mm.checkpoints import extract_subnet
from nasvit_mm.cost import count
from nasvit_mm.engine import DataError, seed_everything
from nasvit_mm.engine.checks import _check_labels
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import SAMPLERS, Supernet, calibrated
from tests.families import randomised, small
from tests.test_supernet.tasks import TASKS, model_config, raw_batch

SIZE = (64, 64)
KINDS = 'nasvit', 'elasticvit', 'vitas_twins', 'vitas_deit_small'
DISTILL = {'sandwich': dict(sampled='largest', smallest='largest'),
           'levels': dict(smallest='mean'), 'bank': dict(smallest='mean')}


def sampler(name: str, space: str) -> dict:
    if name not in ('levels', 'bank'):
        return dict(type=name)
    of = small(space).restrict(resolution=32)
    low, high = (float(count(of, [a]).macs[0]) for a in (of.smallest, of.largest))
    middle = (low + high) / 2
    return dict(type=name, levels=[middle], tolerance=(high - middle) / 4, num=2, smallest={},
                count_args={}, **dict(capacity=2) if name == 'bank' else {})


def build(space: str, task: str, name: str = 'sandwich', rule: str = 'project') -> Supernet:
    seed_everything(0)
    distill = DISTILL.get(name, {})
    return MODELS.build(dict(
        type='nasvit_mm.Supernet', model=model_config(space, task), sampler=sampler(name, space),
        conflict=dict(rule=rule), distill=distill, clip_grad=1.0, log_cosine=1)).train()


@pytest.mark.slow
@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('rule', ['sum', 'project'])
@pytest.mark.parametrize('name', SAMPLERS)
@pytest.mark.parametrize('space', KINDS)
def test_two_steps(space, name, rule, task):
    model = build(space, task, name, rule)
    optimizer = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-3))
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    data = raw_batch(model.model, SIZE)
    for _ in range(2):
        logged = model.train_step(data, optimizer)
        assert all(torch.as_tensor(v).isfinite().all() for v in logged.values())
    assert {f'loss_{role}' for role in model.sampler.roles} <= set(logged)
    moved = {k for k, p in model.named_parameters() if not torch.equal(p, before[k])}
    assert any('backbone' in k for k in moved)
    heads = {k.split('.')[1] for k, _ in model.named_parameters() if 'backbone' not in k}
    assert heads <= {k.split('.')[1] for k in moved}
    assert ('cosine' in logged) == (name == 'sandwich')


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('space', KINDS)
def test_a_subnet_is_a_model_of_its_own(space, task):
    """It computes what the supernet computes, shares nothing with it, and has a fixed backbone."""
    model = randomised(build(space, task)).eval().model
    arch = model.backbone.space.sample(1)
    subnet = calibrated(model, arch, None)
    assert subnet.backbone.space.is_single and subnet.backbone.arch == arch
    theirs = {p.data_ptr() for p in model.parameters()}
    assert not any(p.data_ptr() in theirs for p in subnet.parameters())
    assert not model.backbone.space.is_single
    model.backbone.set_arch(arch)
    x = torch.randn(2, 3, *SIZE)
    with torch.no_grad():
        pairs = zip(*(_maps(m, x) for m in (model, subnet)))
        assert all((a - b).abs().max() < 1e-4 * a.abs().max().clamp(min=1) for a, b in pairs)


def _maps(model, x):
    return [model(x)] if not hasattr(model, 'extract_feat') else model.extract_feat(x)


def test_labels_are_checked_inside_a_supernet():
    model = build('nasvit', 'segmentation')
    data = raw_batch(model.model, SIZE)
    _check_labels(data, model)
    data['data_samples'][0].gt_sem_seg.data[0, 0, 0] = 7
    with pytest.raises(DataError, match='holds label 7'):
        _check_labels(data, model)


@pytest.mark.parametrize('space', ['nasvit', 'elasticvit'])
def test_it_begins_with_the_supernet_of_a_classifier(space, tmp_path):
    """A checkpoint of its training, all resolutions; the dense one has a single resolution."""
    torch.manual_seed(0)
    whole = MODELS.build(dict(
        type='nasvit_mm.Supernet', sampler=dict(type='sandwich'),
        model=dict(type='nasvit_mm.ImageClassifier', space=space, num_classes=3)))
    torch.save(dict(state_dict=randomised(whole).state_dict()), tmp_path / 'iter_1.pth')
    kind = type(whole.model.backbone)
    resolution = get_space(space).field('resolution').choices[0][1]
    net = kind('supernet', get_space(space).restrict(resolution=[resolution]),
               out_indices=whole.model.backbone.out_indices,
               init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'iter_1.pth')))
    net.init_weights()
    arch = net.space.sample(3)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        ours = extract_subnet(net.eval(), arch)(x)
        theirs = extract_subnet(whole.model.backbone.eval(), arch)(x)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs))
