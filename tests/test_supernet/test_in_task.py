"""Any space, sampler, rule and task go together; a subnet of a task model is a model of its own."""

from __future__ import annotations

import itertools

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope

from nasvit_mm import get_space, list_spaces
from nasvit_mm.checkpoints import extract_subnet
from nasvit_mm.cost import count
from nasvit_mm.data import seed_everything
from nasvit_mm.dense import check_channels, check_labels, kind_of
from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import SAMPLERS, Distillation, Supernet, calibrated
from tests.commands import ROOT
from tests.families import randomised, small
from tests.test_supernet.tasks import TASKS, model_config, raw_batch

SIZE = (64, 64)
KINDS = list_spaces()
DISTILL = {
    'sandwich': dict(sampled='largest', smallest='largest'),
    'shrinking': dict(sampled='largest', smallest='largest'),
    'levels': dict(smallest='mean'),
    'bank': dict(smallest='mean'),
}


def sampler(name: str, space: str) -> dict:
    if name == 'shrinking':
        schedule = [dict(steps=1), dict(free='rest', num_random=1)]
        return dict(type=name, sampler=dict(type='sandwich'), schedule=schedule)
    if name not in ('levels', 'bank'):
        return dict(type=name)
    of = small(space).restrict(resolution=32)
    low, high = (float(count(of, [a]).macs[0]) for a in (of.smallest, of.largest))
    middle = (low + high) / 2
    return dict(
        type=name,
        levels=[middle],
        tolerance=(high - middle) / 4,
        num=2,
        smallest={},
        count_args={},
        **dict(capacity=2) if name == 'bank' else {},
    )


def build(space: str, task: str, name: str = 'sandwich', rule: str = 'project') -> Supernet:
    seed_everything(0)
    distill = DISTILL.get(name, {})
    return MODELS.build(
        dict(
            type='nasvit_mm.Supernet',
            model=model_config(space, task),
            sampler=sampler(name, space),
            conflict=dict(rule=rule),
            distill=distill,
            clip_grad=1.0,
            log_cosine=1,
        )
    ).train()


NAMES = sorted(SAMPLERS.module_dict)
# Every space with every sampler; rules and tasks in turn, so that every pair comes.
RULES = ('sum', 'project')
PAIRS = [
    (space, name, RULES[(i + j) % 2], list(TASKS)[(i + 2 * j) % len(TASKS)])
    for i, space in enumerate(KINDS)
    for j, name in enumerate(NAMES)
]
REST = [c for c in itertools.product(KINDS, NAMES, RULES, TASKS) if c not in PAIRS]


def test_every_pair_comes():
    for a, b in itertools.combinations(range(4), 2):
        every = {(c[a], c[b]) for c in (*PAIRS, *REST)}
        assert {(c[a], c[b]) for c in PAIRS} == every


@pytest.mark.parametrize(('space', 'name', 'rule', 'task'), PAIRS)
def test_two_steps(space, name, rule, task):
    two_steps(space, name, rule, task)


@pytest.mark.nightly
@pytest.mark.parametrize(('space', 'name', 'rule', 'task'), REST)
def test_two_steps_of_the_rest(space, name, rule, task):
    two_steps(space, name, rule, task)


def two_steps(space: str, name: str, rule: str, task: str) -> None:
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
    assert ('cosine' in logged) == (name in ('sandwich', 'shrinking'))


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


@pytest.mark.parametrize('task', TASKS)
def test_scoring(task):
    """Also of pictures of several sizes, which training pads; it moves no statistics."""
    model = build('nasvit', task, 'bank')
    data = raw_batch(model.model, SIZE)
    if task != 'classification':
        smaller = raw_batch(model.model, (48, 64))
        data['inputs'][1] = smaller['inputs'][1]
        data['data_samples'][1] = smaller['data_samples'][1]
    state = {k: v.clone() for k, v in model.state_dict().items()}
    choice = next(iter(model.sampler.draw(1)))
    assert model._scores([choice], data)[0] < 0
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


def test_a_detector_learns_as_much_from_a_subnet_as_from_labels():
    """Gradients of one order of magnitude, though nearly all anchors are background."""
    model = build('nasvit', 'detection').model
    model.init_weights()
    kind, ready = kind_of(model), model.data_preprocessor(raw_batch(model, (256, 320)), True)
    parameters = [p for name, p in model.named_parameters() if 'cls' in name]
    output = kind.forward(model, ready)
    by_labels = torch.autograd.grad(output.loss - output.rest, parameters, retain_graph=True)

    # A teacher that is right: sure of the anchors of positive labels.
    instances, metas = zip(*((s.gt_instances, s.metainfo) for s in ready['data_samples']))
    anchors, valid = model.bbox_head.get_anchors(
        [z.shape[-2:] for z in output.logits], metas, device='cpu'
    )
    found = model.bbox_head.get_targets(anchors, valid, instances, metas)[0]
    teacher = []
    for z, labels in zip(output.logits, found):
        classes = model.bbox_head.num_classes
        p = torch.nn.functional.one_hot(labels, classes + 1)[..., :classes].float()
        p = p.view(len(z), *z.shape[-2:], -1).permute(0, 3, 1, 2)
        teacher.append((p * 0.98 + 0.01).logit())
    distil = Distillation(sampled='largest')
    distil.loss(
        'largest',
        output._replace(logits=tuple(torch.stack([t, torch.zeros_like(t)], 1) for t in teacher)),
    )
    loss = distil.loss('sampled', output)
    by_teacher = torch.autograd.grad(loss - output.rest, parameters)
    a, b = (torch.cat([g.flatten() for g in gs]) for gs in (by_labels, by_teacher))
    assert 0.2 < float(b.norm() / a.norm()) < 5
    assert float(torch.cosine_similarity(a, b, dim=0)) > 0.5


def two_stages() -> ConfigDict:
    """Mask R-CNN."""
    cfg = Config.fromfile(ROOT / 'configs/det/nasvit_coco_mask.py')
    init_default_scope('mmdet')
    model = cfg.model
    model.backbone.update(arch='supernet', space=small('nasvit').to_dict(), out_width=16)
    model.neck.in_channels = [16] * len(model.neck.in_channels)
    return model


def of_two_stages(**options) -> Supernet:
    sampler = dict(type='sandwich', num_random=1)
    cfg = dict(type='nasvit_mm.Supernet', model=two_stages(), sampler=sampler, **options)
    return MODELS.build(cfg).train()


@pytest.mark.slow
def test_a_detector_of_two_stages():
    """By its losses alone: a step moves all of its parts, and a subnet predicts."""
    model = of_two_stages(conflict=dict(rule='project'), clip_grad=1.0)
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    data = raw_batch(model.model, SIZE)
    logged = model.train_step(data, OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-3)))
    assert all(torch.as_tensor(v).isfinite().all() for v in logged.values())
    moved = {k.split('.')[1] for k, p in model.named_parameters() if not torch.equal(p, before[k])}
    assert moved == {'backbone', 'neck', 'rpn_head', 'roi_head'}
    subnet = calibrated(model.model, 'smallest', [data])
    sample, *_ = subnet.eval().val_step(data)
    assert set(sample.pred_instances.keys()) >= {'bboxes', 'labels', 'scores', 'masks'}


@pytest.mark.slow
def test_answers_for_objects_of_all_images_are_not_parted():
    distill = dict(sampled='largest', smallest='largest')
    model = of_two_stages(distill=distill, split_batch=True)
    with pytest.raises(UsageError, match='MaskRCNN answers for objects of all images together'):
        model.train_step(
            raw_batch(model.model, SIZE), OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
        )


def test_external_teachers_are_classifiers():
    with pytest.raises(UsageError, match='classifiers, and a Segmentor is not'):
        MODELS.build(
            dict(
                type='nasvit_mm.Supernet',
                model=model_config('nasvit', 'segmentation'),
                sampler=dict(type='sandwich'),
                distill=dict(largest='teachers'),
                teachers=['resnet18'],
            )
        )


@pytest.mark.parametrize('task', ['segmentation', 'detection'])
def test_channels_are_checked_for_all_subnets(task):
    model = build('nasvit', task)
    check_channels(model)
    cfg = model_config('nasvit', task)
    cfg['backbone'].pop('out_width')
    taker = 'decode_head' if task == 'segmentation' else 'neck'
    widest = model.model.backbone.space.largest
    free = MODELS.build(dict(type='nasvit_mm.Supernet', model=cfg, sampler=dict(type='sandwich')))
    cfg[taker]['in_channels'] = free.model.backbone.channels_of(widest)
    fitted = MODELS.build(dict(type='nasvit_mm.Supernet', model=cfg, sampler=dict(type='sandwich')))
    for one, which in ((free, 'smallest'), (fitted, 'smallest')):
        with pytest.raises(
            UsageError,
            match=rf'model.model.{taker}.in_channels = .*{which} subnet'
            '.*out_width',
        ):
            check_channels(one)


def test_labels_are_checked_inside_a_supernet():
    model = build('nasvit', 'segmentation')
    data = raw_batch(model.model, SIZE)
    check_labels(data, model)
    data['data_samples'][0].gt_sem_seg.data[0, 0, 0] = 7
    with pytest.raises(DataError, match='holds label 7'):
        check_labels(data, model)


@pytest.mark.parametrize('space', ['nasvit', 'elasticvit'])
def test_it_begins_with_the_supernet_of_a_classifier(space, tmp_path):
    """A checkpoint of its training, all resolutions; the dense one has a single resolution."""
    torch.manual_seed(0)
    whole = MODELS.build(
        dict(
            type='nasvit_mm.Supernet',
            sampler=dict(type='sandwich'),
            model=dict(type='nasvit_mm.ImageClassifier', space=space, num_classes=3),
        )
    )
    torch.save(dict(state_dict=randomised(whole).state_dict()), tmp_path / 'iter_1.pth')
    kind = type(whole.model.backbone)
    resolution = get_space(space).field('resolution').choices[0][1]
    net = kind(
        'supernet',
        get_space(space).restrict(resolution=[resolution]),
        out_indices=whole.model.backbone.out_indices,
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'iter_1.pth')),
    )
    net.init_weights()
    arch = net.space.sample(3)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        ours = extract_subnet(net.eval(), arch)(x)
        theirs = extract_subnet(whole.model.backbone.eval(), arch)(x)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs))
