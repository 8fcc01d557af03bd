"""Training a supernet whose subnets differ in genes of the task as well."""

from __future__ import annotations

import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper

from nasvit_mm import get_space
from nasvit_mm.data import seed_everything
from nasvit_mm.registry import MODELS
from nasvit_mm.spaces import TASK_GENES
from nasvit_mm.supernet import Supernet, calibrated
from tests.test_supernet.tasks import model_config, raw_batch

TASK = dict(scale=[50, 100], taps=[8, 16], head=[8, 16], outputs=[3, 4])
SIZE = (64, 64)


def build() -> Supernet:
    """One that grows: the largest alone, then genes of the task, then all."""
    seed_everything(0)
    model = ConfigDict(model_config('nasvit', 'segmentation'))
    space = get_space('nasvit')
    depth = [choices[:2] for choices in space.field('depth').choices]
    space = space.restrict(resolution=32, depth=depth).with_task(TASK)
    model['backbone']['space'] = space.to_dict()
    return MODELS.build(
        dict(
            type='nasvit_mm.Supernet',
            model=model,
            sampler=dict(
                type='shrinking',
                sampler=dict(type='sandwich', num_random=2),
                schedule=[dict(steps=1), dict(steps=1, free=['task']), dict(free='rest')],
            ),
            conflict=dict(rule='project'),
            distill=dict(sampled='largest', smallest='largest'),
        )
    ).train()


def test_shrinking_frees_them_by_their_role():
    net = build()
    largest = net.model.backbone.space.largest
    drawn = [[choice.arch for choice in net.sampler.draw(step)] for step in (1, 2, 3)]
    assert drawn[0] == [largest]
    task = [{gene: arch[gene] for gene in TASK_GENES} for arch in drawn[1]]
    assert len({tuple(genes.items()) for genes in task}) > 2
    assert all(arch.replace(**{g: largest[g] for g in TASK}) == largest for arch in drawn[1])
    assert any(arch.depth != largest.depth for arch in drawn[2])


def test_steps_train_them_and_leave_the_largest_active():
    """One batch serves subnets of all sizes, and those that learn from the largest too."""
    net = build()
    optimizer = OptimWrapper(torch.optim.AdamW(net.parameters(), lr=1e-3))
    data = raw_batch(net.model, SIZE)
    for _ in range(3):
        logged = net.train_step(data, optimizer)
        assert all(torch.as_tensor(value).isfinite().all() for value in logged.values())
    assert {'loss_largest', 'loss_smallest', 'loss_sampled'} <= set(logged)
    space = net.model.backbone.space
    assert net.model.backbone.arch == space.largest
    subnet = calibrated(net.model, space.smallest, [data])
    (sample, _) = subnet.val_step(data)
    assert sample.pred_sem_seg.data.shape[1:] == SIZE
