"""Subnets learn from a dense teacher, which stays outside of the supernet."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper

from nasvit_mm.errors import UsageError
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import LARGEST, SAMPLED, SMALLEST, Supernet
from tests.test_supernet.tasks import model_config, raw_batch
from tests.test_supernet.test_hooks import begin
from tests.test_teacher.segmentors import CLASSES, built, segmentor, supernet, trained

SIZE = (64, 64)


class Images(list):
    def __init__(self, **metainfo) -> None:
        super().__init__(range(80))
        self.metainfo = metainfo


def seeded(teacher: dict | None, **options) -> Supernet:
    torch.manual_seed(0)
    return built(supernet(teacher, **options))


def step(model) -> dict:
    torch.manual_seed(0)
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    return model.train().train_step(raw_batch(model.model, SIZE), optimizer)


def test_its_losses_are_added_to_those_of_labels(tmp_path):
    """The gradient too: without a rule a step moves by the sum of both."""
    files = trained(tmp_path)
    plain, taught = seeded(None), seeded(files)
    before = {k: v.clone() for k, v in plain.model.decode_head.named_parameters()}
    one, other = step(plain), step(taught)
    learnt = other['teacher_pixel'] + other['teacher_channel']
    assert float(learnt) > 0
    added = sum(
        other[f'loss_{role}'] - one[f'loss_{role}'] for role in (LARGEST, SMALLEST, SAMPLED)
    )
    assert float(added) == pytest.approx(3 * float(learnt), rel=1e-3)
    moved = dict(taught.model.decode_head.named_parameters())
    for key, value in plain.model.decode_head.named_parameters():
        assert not torch.equal(before[key], value) and not torch.equal(moved[key], value)


@pytest.mark.parametrize('distill', [{}, dict(sampled='largest', smallest='largest')])
def test_who_learns_from_it(distill, tmp_path):
    files = trained(tmp_path)
    plain = step(seeded(None, distill=distill))
    some = step(seeded(dict(files, subnets=['sampled']), distill=distill))
    assert float(some['loss_sampled']) > float(plain['loss_sampled'])
    for role in (LARGEST, SMALLEST):
        torch.testing.assert_close(some[f'loss_{role}'], plain[f'loss_{role}'])


def test_a_part_of_the_batch_learns_from_the_answers_for_it(tmp_path):
    model = seeded(trained(tmp_path), split_batch=True)
    seen, losses = [], model.taught.teacher.losses

    def heard(output, answers):
        seen.append(answers)
        return losses(output, answers)

    with mock.patch.object(model.taught.teacher, 'losses', heard):
        logged = step(model)
    assert float(logged['teacher_pixel']) > 0
    whole, *parts = seen
    assert [[len(a) for a in answers] for answers in seen] == [[n] * len(whole) for n in (2, 1, 1)]
    for i, answers in enumerate(parts):
        assert all(torch.equal(a, b[i : i + 1]) for a, b in zip(answers, whole))


def test_a_teacher_is_a_mapping():
    with pytest.raises(UsageError, match=r"teacher = 'resnet', expected dict\(config=FILE"):
        seeded('resnet')


@pytest.mark.parametrize(
    ('subnets', 'sampler', 'said'),
    [
        (['largset'], 'sandwich', r"subnets = 'largset' \(did you mean largest"),
        (['largest'], 'uniform', 'draws none of them; its steps are sampled'),
    ],
)
def test_subnets_that_are_never_drawn(subnets, sampler, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        seeded(dict(trained(tmp_path), subnets=subnets), sampler=dict(type=sampler))


def test_it_runs_once_a_step_and_never_changes(tmp_path):
    model = seeded(trained(tmp_path, segmentor(head=dict(dropout_ratio=0.9))))
    teacher = model.taught.teacher
    teacher.meet()
    before = {k: v.clone() for k, v in teacher._model.state_dict().items()}
    with mock.patch.object(
        teacher._model, 'encode_decode', wraps=teacher._model.encode_decode
    ) as passes:
        step(model)
    assert passes.call_count == 1
    for key, value in teacher._model.state_dict().items():
        assert torch.equal(value, before[key])
    assert all(p.grad is None for p in teacher._model.parameters())


def test_nothing_of_it_is_in_checkpoints_and_averages(tmp_path):
    plain, taught = seeded(None), seeded(trained(tmp_path))
    step(taught)
    assert taught.state_dict().keys() == plain.state_dict().keys()
    assert len(list(taught.modules())) == len(list(plain.modules()))
    average = ExponentialMovingAverage(taught)
    assert average.module.taught.teacher is taught.taught.teacher
    assert average.module.taught._answers is None


def test_a_detector_has_no_teacher_of_maps(tmp_path):
    cfg = supernet(trained(tmp_path))
    cfg['model'] = model_config('nasvit', 'detection')
    with pytest.raises(UsageError, match='EncoderDecoder'):
        begin(MODELS.build(cfg), tmp_path)


def test_its_classes_are_those_of_the_data(tmp_path):
    model = seeded(trained(tmp_path))
    data = Images(classes=('road', 'sky', 'tree', 'car'))
    with pytest.raises(UsageError, match='it has no car'):
        begin(model, tmp_path, data)
    data.metainfo['classes'] = CLASSES[::-1]
    begin(model, tmp_path, data)
    assert model.taught.teacher._order == (3, 2, 1, 0)
