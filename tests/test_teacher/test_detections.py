"""Detectors with dense heads learn scores, boxes and features from one another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from torch import nn

from nasvit_mm.dense import kind_of
from nasvit_mm.errors import UsageError
from nasvit_mm.teacher import Teacher, class_order
from tests.test_supernet.tasks import model_config, raw_batch
from tests.test_teacher.segmentors import built, trained
from tests.zoo import CLASSES, zoo_batch, zoo_model

SIZE = (64, 96)
NAMES = tuple('abcd')
PARTS = {'scores', 'boxes', 'features'}


def seeded(cfg: dict, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return built(cfg, 'mmdet')


def retinanet(**head) -> dict:
    """RetinaNet around a small supernet's largest network."""
    cfg = ConfigDict(model_config('nasvit', 'detection'))
    cfg.bbox_head.num_classes = CLASSES
    for key, value in head.items():
        cfg.bbox_head[key] = value
    return cfg


def of_zoo(name: str, **head) -> dict:
    cfg = zoo_model(name)
    if head:
        cfg.bbox_head.update(head)
    return cfg


def files(folder: Path, cfg: dict, classes=NAMES) -> dict[str, str]:
    return trained(folder, cfg.to_dict(), classes, 'mmdet')


def learnt(student: nn.Module, teacher: Teacher) -> dict[str, float]:
    teacher.meet()
    student.train()
    for module in student.modules():  # both see the statistics of training
        if 'BatchNorm' in type(module).__name__:
            module.eval()
    data = student.data_preprocessor(zoo_batch(student, SIZE), True)
    output = kind_of(student).forward(student, data)
    return {k: float(v) for k, v in teacher.losses(output, teacher(data['inputs'])).items()}


@pytest.mark.parametrize(
    'name, parts',
    [
        ('rtmdet', PARTS),
        ('fcos', PARTS),
        ('solo', PARTS - {'boxes'}),  # two levels of a stride
        ('sabl_retina', PARTS - {'boxes'}),  # strides by another name
        ('centernet', PARTS - {'boxes'}),  # its loss by another name
        ('yolov3', PARTS - {'boxes'}),  # levels of other widths
    ],
)
def test_nothing_is_learnt_from_oneself(name, parts, tmp_path):
    """Its own weights and another's: of one's own nothing is to be learnt, in every part."""
    cfg = of_zoo(name)
    same, other = seeded(cfg), seeded(cfg, 2)
    teacher = files(tmp_path, cfg)
    found = learnt(same, Teacher(same, **teacher))
    assert found.keys() == parts and all(abs(v) < 1e-3 for v in found.values())
    more = learnt(other, Teacher(other, **teacher))
    assert all(more[k] > 10 * abs(found[k]) for k in ('scores', 'features'))


def test_boxes_are_those_of_the_teacher(tmp_path):
    """1 - GIoU of two boxes around each place, where the teacher is sure of an object."""
    cfg = retinanet()
    student, teacher = seeded(cfg), Teacher(seeded(cfg), **files(tmp_path, cfg))
    teacher.meet()
    head = teacher._model.bbox_head
    nn.init.constant_(head.retina_cls.bias, 5.0)  # sure everywhere
    nn.init.zeros_(head.retina_cls.weight)
    with torch.no_grad():
        for one in (head, student.bbox_head):
            one.retina_reg.weight.zero_()
            one.retina_reg.bias.zero_()
        # The centres apart by half the width of an anchor: IoU 1/3, and the hull is their union.
        head.retina_reg.bias.view(-1, 4)[:, 0] = 0.5 / head.bbox_coder.stds[0]
    assert learnt(student, teacher)['boxes'] == pytest.approx(1 - 1 / 3, abs=1e-3)


def test_classes_in_another_order(tmp_path):
    """Of anchors by sigmoids, and more than ours."""
    cfg = retinanet(num_classes=5)
    teacher = Teacher(seeded(retinanet()), **files(tmp_path, cfg, ('e', 'd', 'c', 'b', 'a')))
    teacher.meet(NAMES)
    images = torch.randn(1, 3, *SIZE)
    own = seeded(cfg).eval()
    with torch.no_grad():
        scores = own.bbox_head(own.extract_feat(images))[0]
    for found, theirs in zip(teacher(images), scores):
        n, _, h, w = theirs.shape
        expected = theirs.view(n, -1, 5, h, w)[:, :, [4, 3, 2, 1]].flatten(1, 2)
        torch.testing.assert_close(found[:, 0], expected)


def test_classes_of_yolov3_in_another_order(tmp_path):
    """Whether there is an object comes before them, and stays."""
    cfg = of_zoo('yolov3')
    images = torch.randn(1, 3, *SIZE)
    given, answers = files(tmp_path, cfg), []
    for names in (NAMES, NAMES[::-1]):
        teacher = Teacher(seeded(cfg), **given, classes=names)
        teacher.meet(NAMES)
        answers.append(teacher(images)[: len(teacher.lessons.levels)])
    for found, theirs in zip(*answers):
        parts = [maps.unflatten(2, (3, -1)) for maps in (found, theirs)]  # of three anchors
        assert torch.equal(parts[0], parts[1][:, :, :, [0, 4, 3, 2, 1]])


def test_a_softmax_keeps_its_background(tmp_path):
    loss = dict(type='CrossEntropyLoss', use_sigmoid=False)
    cfg = retinanet(loss_cls=loss)
    teacher = Teacher(seeded(cfg), **files(tmp_path, cfg, NAMES[::-1]))
    teacher.meet(NAMES)
    images = torch.randn(1, 3, *SIZE)
    own = seeded(cfg).eval()
    with torch.no_grad():
        scores = own.bbox_head(own.extract_feat(images))[0]
    for found, theirs in zip(teacher(images), scores):
        parts = theirs.unflatten(1, (-1, CLASSES + 1)).movedim(2, 1)
        torch.testing.assert_close(found, parts[:, [3, 2, 1, 0, 4]])


def test_more_classes_than_the_data_have():
    assert class_order(('a',), ('b', 'a'), 1, 2, more=True) == (1,)
    with pytest.raises(UsageError, match='it has no c'):
        class_order(('a', 'c'), ('b', 'a'), 2, 2, more=True)


@pytest.mark.parametrize(
    ('student', 'teacher', 'options', 'said'),
    [
        ('retinanet', 'rtmdet', {}, r'levels of strides \[\(8, 8\), .*the model of .*128'),
        ('retinanet', 'fcos', {}, 'FCOSHead: 1 at each place, by sigmoids.*AnchorHead: 9 at'),
        ('retinanet', 'fcos', dict(scores=None), 'has 1 boxes at each place, the model 9'),
        ('rtmdet', 'yolox', {}, 'YOLOXHead: 1 at each place.* of different boxes'),
        ('yolox', 'yolox', dict(scores=None, features=None), 'nothing is learnt from the teacher'),
        ('retinanet', 'faster_rcnn', {}, 'is a FasterRCNN, and a detector with dense heads'),
    ],
)
def test_teachers_of_another_kind(student, teacher, options, said, tmp_path):
    theirs = files(tmp_path, zoo_model(teacher))
    ours = seeded(retinanet() if student == 'retinanet' else zoo_model(student))
    with pytest.raises(UsageError, match=said):
        Teacher(ours, **theirs, **options).meet()


def test_anchors_of_other_sizes_are_refused(tmp_path):
    cfg = retinanet()
    theirs = retinanet(anchor_generator=dict(cfg.bbox_head.anchor_generator, octave_base_scale=8))
    assert cfg.bbox_head.anchor_generator.octave_base_scale != 8
    with pytest.raises(
        UsageError, match='anchors of the teacher and of the model have other sizes'
    ):
        Teacher(seeded(cfg), **files(tmp_path, theirs)).meet()
    Teacher(seeded(cfg), **files(tmp_path, theirs), scores=None).meet()


def test_boxes_that_cannot_be_compared_are_left_out(tmp_path):
    """YOLOX decodes by itself: scores and features are learnt, and the log says so."""
    cfg = of_zoo('yolox')
    student = seeded(cfg, 2)
    assert learnt(student, Teacher(student, **files(tmp_path, cfg))).keys() == PARTS - {'boxes'}


def test_a_supernets_subnets_learn_from_a_detector(tmp_path):
    """Another kind of backbone, and a neck that is twice as wide."""
    theirs = retinanet(in_channels=128)
    theirs.neck.out_channels = 128
    cfg = dict(
        type='nasvit_mm.Supernet',
        model=retinanet(),
        sampler=dict(type='sandwich', num_random=1),
        teacher=files(tmp_path, theirs),
    )
    model = seeded(cfg).train()
    assert model.model.neck.out_channels != 128
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-3))
    logged = model.train_step(raw_batch(model.model, SIZE), optimizer)
    assert {f'teacher_{k}' for k in PARTS} <= set(logged)
    assert float(logged['teacher_features']) > 0 and float(logged['teacher_scores']) > 0


def test_a_plain_detector_learns(tmp_path):
    model = seeded(
        dict(type='nasvit_mm.Distilled', model=retinanet(), teacher=files(tmp_path, retinanet()))
    )
    losses = model.train()(**model.data_preprocessor(raw_batch(model, SIZE), True), mode='loss')
    assert {f'teacher.loss_{k}' for k in PARTS} <= set(losses)


def test_boxes_in_other_units_are_refused(tmp_path):
    student = seeded(of_zoo('fcos', norm_on_bbox=False))
    teacher = files(tmp_path, of_zoo('fcos', norm_on_bbox=True))
    with pytest.raises(UsageError, match='teacher has norm_on_bbox = True .* the model False'):
        Teacher(student, **teacher).meet()
    Teacher(student, **teacher, boxes=None).meet()
