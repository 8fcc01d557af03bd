"""Every kind of model of mmseg and mmdet is trained as a supernet, and its subnets predict."""

from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapper

from nasvit_mm.data import seed_everything
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import Supernet, calibrated
from nasvit_mm.supernet.batch import copied
from tests.zoo import KINDS, NETWORKS, ZOO, with_families, zoo_batch, zoo_model

FEW = with_families([*KINDS, 'rtmdet-ins'])
REST = [(name, space) for name in ZOO for space in NETWORKS if (name, space) not in FEW]
REFUSED = {
    'autoassign': 'AutoAssign with AutoAssignHead',
    'free_anchor': 'RetinaNet with FreeAnchorRetinaHead',
    'crowddet': 'CrowdDet with MultiInstanceBBoxHead',
}
FOLLOW = dict(sampled='largest', smallest='largest')


def build(name: str, space: str, **distill) -> Supernet:
    seed_everything(0)
    model = dict(
        type='nasvit_mm.Supernet',
        model=zoo_model(name, space),
        sampler=dict(type='sandwich', num_random=1),
        distill=distill,
    )
    supernet = MODELS.build(model).train()
    supernet.model.init_weights()
    return supernet


def a_step_and_a_subnet(name: str, space: str) -> None:
    supernet = build(name, space, **({} if name in REFUSED else FOLLOW))
    data = zoo_batch(supernet.model)
    wrapper = OptimWrapper(torch.optim.SGD(supernet.parameters(), lr=1e-3))
    logged = supernet.train_step(data, wrapper)  # which checks what it reaches
    assert all(torch.as_tensor(v).isfinite().all() for v in logged.values())
    subnet = calibrated(supernet.model, 'smallest', [data])
    assert len(subnet.val_step(zoo_batch(supernet.model))) == 2


@pytest.mark.parametrize(('name', 'space'), FEW)
def test_a_step_and_a_subnet(name, space):
    a_step_and_a_subnet(name, space)


@pytest.mark.nightly
@pytest.mark.parametrize(('name', 'space'), REST)
def test_a_step_and_a_subnet_of_the_rest(name, space):
    a_step_and_a_subnet(name, space)


@pytest.mark.parametrize('name', REFUSED)
def test_an_unknown_head_is_not_distilled(name):
    with pytest.raises(UsageError, match=f"answers of {REFUSED[name]} .*='labels'"):
        build(name, 'nasvit', **FOLLOW)


def test_a_copy_of_a_batch_is_set_alone():
    model = build('mask_rcnn', 'nasvit').model
    data = dict(zoo_batch(model))
    copy = copied(data)
    one, other = (d['data_samples'][0].gt_instances for d in (data, copy))
    assert one.bboxes is other.bboxes
    other.masks = torch.zeros(1)
    other.priors = other.pop('bboxes')
    assert not torch.is_tensor(one.masks) and set(one.keys()) == {'bboxes', 'labels', 'masks'}
