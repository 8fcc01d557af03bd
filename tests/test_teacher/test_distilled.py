"""A plain model learns from a teacher, and stays the model that it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper
from torch import nn

from nasvit_mm.dense import kind_of, standalone
from nasvit_mm.errors import UsageError
from nasvit_mm.teacher import MeetTeacher, take_teacher
from tests.test_supernet.tasks import raw_batch
from tests.test_teacher.segmentors import CLASSES, built, segmentor, supernet, trained
from tests.zoo import zoo_model

SIZE = (64, 64)


def seeded(cfg: dict) -> nn.Module:
    torch.manual_seed(0)
    return built(cfg)


def taught(teacher: dict, cfg: dict | None = None) -> nn.Module:
    return seeded(dict(type='nasvit_mm.Distilled', model=cfg or segmentor(), teacher=teacher))


def losses_of(model: nn.Module) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    data = model.data_preprocessor(raw_batch(model, SIZE), True)
    return model.train()(**data, mode='loss')


def test_its_loss_is_its_own_and_the_teachers(tmp_path):
    files = trained(tmp_path)
    plain, model = seeded(segmentor(head=dict(dropout_ratio=0))), None
    model = taught(files, segmentor(head=dict(dropout_ratio=0)))
    own, more = losses_of(plain), losses_of(model)
    learnt = {k: more.pop(k) for k in ('teacher.loss_pixel', 'teacher.loss_channel')}
    torch.testing.assert_close(dict(more), dict(own))
    data = model.data_preprocessor(raw_batch(model, SIZE), True)
    output, theirs = kind_of(plain).forward(plain, data), model.teacher(data['inputs'])
    expected = model.teacher.losses(output, theirs)
    assert all(
        float(learnt[f'teacher.loss_{k}']) == pytest.approx(float(expected[k])) for k in expected
    )


def test_a_step_trains_it_alone(tmp_path):
    model = taught(trained(tmp_path))
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    before = {k: v.clone() for k, v in model.named_parameters()}
    logged = model.train().train_step(raw_batch(model, SIZE), optimizer)
    assert {'loss', 'decode.loss_ce', 'teacher.loss_pixel', 'teacher.loss_channel'} <= set(logged)
    assert not any(torch.equal(v, before[k]) for k, v in model.named_parameters() if 'conv' in k)
    assert all(p.grad is None for p in model.teacher._model.parameters())


def test_it_is_the_model_that_it_was(tmp_path):
    plain, model = seeded(segmentor()), taught(trained(tmp_path))
    assert isinstance(model, type(plain)) and type(model).__name__ == type(plain).__name__
    assert model.state_dict().keys() == plain.state_dict().keys()
    average = ExponentialMovingAverage(model)
    assert average.module.teacher is model.teacher
    plain.load_state_dict(model.state_dict())
    x = torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        assert torch.equal(model.eval()(x), plain.eval()(x))
        assert 'teacher.loss_pixel' not in model(
            **model.data_preprocessor(raw_batch(model, SIZE), True), mode='loss'
        )


@pytest.mark.parametrize('name', ['ocrnet', 'encnet', 'seg point_rend'])
def test_any_head_of_class_maps_learns(name, tmp_path):
    model = taught(trained(tmp_path), zoo_model(name, size=SIZE))
    losses = losses_of(model)
    assert all(float(losses[f'teacher.loss_{k}']) > 0 for k in ('pixel', 'channel'))


def test_classes_are_those_of_the_data(tmp_path):
    model = taught(trained(tmp_path))
    data = SimpleNamespace(metainfo=dict(classes=('road', 'sky', 'tree', 'car')))
    runner = SimpleNamespace(model=model, train_dataloader=SimpleNamespace(dataset=data))
    with pytest.raises(UsageError, match='it has no car'):
        MeetTeacher().before_train(runner)
    data.metainfo['classes'] = CLASSES
    MeetTeacher().before_train(runner)
    assert model.teacher._model is not None


def test_a_config_names_it_beside_the_model(tmp_path):
    files = trained(tmp_path)
    cfg = Config(dict(model=segmentor(), teacher=dict(files, subnets=['largest'])))
    take_teacher(cfg)
    assert cfg.model.type == 'nasvit_mm.Distilled' and 'teacher' not in cfg
    assert dict(cfg.model.teacher) == files
    assert standalone(cfg).model == Config(dict(model=segmentor())).model
    cfg = Config(dict(model=supernet(), teacher=files))
    take_teacher(cfg)
    assert cfg.model.type == 'nasvit_mm.Supernet' and dict(cfg.model.teacher) == files


@pytest.mark.parametrize(
    ('changed', 'said'),
    [
        (dict(teacher='resnet'), r"teacher = 'resnet', expected dict\(config=FILE"),
        (dict(model=supernet(dict(config='x'))), 'two teachers, teacher and model.teacher'),
        (dict(teacher=dict(config='none.py')), "teacher's config none.py .*does not exist"),
        (dict(teacher=dict(checkpoint='none.pth')), 'none.pth .*does not exist'),
    ],
)
def test_what_is_wrong_with_it_is_said_before_anything_is_built(changed, said, tmp_path):
    cfg = Config({**dict(model=segmentor(), teacher=trained(tmp_path)), **changed})
    with pytest.raises(UsageError, match=said):
        take_teacher(cfg)


def test_a_supernet_takes_its_teacher_itself(tmp_path):
    files = trained(tmp_path)
    with pytest.raises(UsageError, match='a supernet takes its teacher itself'):
        taught(files, supernet())
    inner = dict(type='nasvit_mm.Distilled', model=supernet()['model'], teacher=files)
    with pytest.raises(UsageError, match='name it in the supernet, model.teacher'):
        built(supernet(model=inner))
