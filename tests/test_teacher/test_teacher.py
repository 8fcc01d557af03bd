"""A teacher is a segmentor of any origin; its answers are its own, on our grid, in our order."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import nn

from nasvit_mm.dense import StepOutput, binary, image_meta
from nasvit_mm.errors import UsageError
from nasvit_mm.teacher import Renormalise, Teacher
from tests.test_supernet.tasks import raw_batch
from tests.test_teacher.segmentors import CLASSES, OTHER, built, segmentor, supernet, trained
from tests.zoo import zoo_model

SIZE = (64, 64)


def images() -> torch.Tensor:
    return torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(3))


def own(teacher: dict) -> nn.Module:
    """The model of the teacher's files, by mmseg alone."""
    model = built(Config.fromfile(teacher['config']).model)
    model.load_state_dict(torch.load(teacher['checkpoint'])['state_dict'])
    return model.eval()


def own_logits(teacher: dict, x: torch.Tensor) -> torch.Tensor:
    model = own(teacher)
    with torch.no_grad():
        return model.decode_head(model.extract_feat(x))


def test_its_answers_are_its_own(tmp_path):
    files = trained(tmp_path)
    teacher = Teacher(built(segmentor()), **files)
    torch.testing.assert_close(*teacher(images()), own_logits(files, images()))


@pytest.mark.parametrize('align_corners', [False, True])
def test_its_maps_lie_where_its_head_puts_them(align_corners, tmp_path):
    """Against its own prediction, by a student with a grid of the images."""
    files = trained(tmp_path, segmentor(head=dict(align_corners=align_corners)))
    teacher = Teacher(built(segmentor()), **files)
    (answer,) = teacher(images())
    fine = torch.zeros(*answer.shape[:2], *SIZE)
    right = F.interpolate(answer, SIZE, mode='bilinear', align_corners=align_corners)
    assert answer.shape[2:] != SIZE
    for student, same in ((right, True), (right + torch.randn_like(fine), False)):
        found = teacher.losses(StepOutput(loss=fine.sum(), logits=[student]), [answer])
        assert (float(found['pixel']) < 1e-6) == same


def test_answers_come_in_the_order_of_the_data(tmp_path):
    files = trained(tmp_path, classes=CLASSES[::-1])
    teacher = Teacher(built(segmentor()), **files)
    teacher.meet(CLASSES)
    torch.testing.assert_close(*teacher(images()), own_logits(files, images()).flip(1))


def test_images_are_normalised_as_its_preprocessor_does():
    """Also where that swaps channels, or does not; padding is another matter."""
    ours, theirs = built(segmentor()), built(segmentor(**OTHER))
    data = raw_batch(ours, SIZE)
    one, other = (m.data_preprocessor(data, True)['inputs'] for m in (ours, theirs))
    assert (one - other).abs().max() > 1
    torch.testing.assert_close(Renormalise(ours, theirs)(one), other, rtol=1e-5, atol=1e-4)
    assert Renormalise(ours, ours)(one) is one


def test_logits_are_brought_to_our_grid(tmp_path):
    teacher = Teacher(built(segmentor()), **trained(tmp_path), channel=None)
    (answers,) = teacher(images())
    assert answers.shape[-1] == 16
    ours = F.interpolate(answers, (8, 8), mode='bilinear', align_corners=False)
    losses = teacher.losses(StepOutput((ours,), torch.zeros(())), [answers])
    assert set(losses) == {'pixel'} and float(losses['pixel']) == pytest.approx(0, abs=1e-6)


def test_weights_and_temperatures(tmp_path):
    x, files = images(), trained(tmp_path)
    one, twice = (
        Teacher(built(segmentor()), **files, pixel=dict(weight=w), channel=dict(weight=3 * w))
        for w in (1, 2)
    )
    output = StepOutput((torch.randn(2, 4, 16, 16),), torch.zeros(()))
    a, b = (t.losses(output, t(x)) for t in (one, twice))
    assert set(a) == {'pixel', 'channel'}
    assert all(float(b[k]) == pytest.approx(2 * float(a[k])) for k in a)


@pytest.mark.parametrize('of_teacher', ['sigmoid', 'softmax'])
@pytest.mark.parametrize('of_student', ['sigmoid', 'softmax'])
def test_two_classes_by_one_channel_or_by_two(of_teacher, of_student, tmp_path):
    """They are the same decision: what the one says of a pixel, the other can repeat."""
    single = dict(out_channels=1, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
    heads = dict(sigmoid=single, softmax={})
    files = trained(tmp_path, segmentor(2, heads[of_teacher]), ('no', 'yes'))
    teacher = Teacher(built(segmentor(2, heads[of_student])), **files)
    teacher.meet(('yes', 'no'))
    (answers,), theirs = teacher(images()), own_logits(files, images())
    yes = theirs[:, :1].sigmoid() if of_teacher == 'sigmoid' else theirs.softmax(1)[:, 1:]
    found = answers.softmax(1)[:, 0]
    shape = (2, 2, 1, 16, 16) if of_student == 'sigmoid' else (2, 2, 16, 16)
    assert answers.shape == shape
    expected = 1 - yes if of_student == 'sigmoid' else yes[:, 0]
    torch.testing.assert_close(found, expected)
    if (of_teacher, of_student) == ('sigmoid', 'softmax'):  # both classes have a place in the image
        assert torch.equal(answers[:, 0], -answers[:, 1])


def test_sigmoids_of_every_class(tmp_path):
    each = dict(loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
    files = trained(tmp_path, segmentor(head=each))
    teacher = Teacher(built(segmentor(head=each)), **files)
    torch.testing.assert_close(*teacher(images()), binary(own_logits(files, images())))
    with pytest.raises(UsageError, match='each class by a sigmoid of its own, the model one of'):
        Teacher(built(segmentor()), **files).meet()


@pytest.mark.parametrize(
    'name',
    ['knet', 'encnet', 'danet', 'seg point_rend', pytest.param('ocrnet', marks=pytest.mark.slow)],
)
def test_any_head_of_class_maps_teaches(name, tmp_path):
    """Resized to the image, its answers are what it predicts."""
    files = trained(tmp_path, zoo_model(name, size=SIZE).to_dict(), None)
    (found,) = Teacher(built(segmentor()), **files)(images())
    model = own(files)
    with torch.no_grad():
        expected = model.encode_decode(images(), [image_meta(SIZE)] * 2)
    head = model.decode_head
    corners = (head[-1] if isinstance(head, nn.ModuleList) else head).align_corners
    found = F.interpolate(found, SIZE, mode='bilinear', align_corners=corners)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_teacher_that_predicts_masks_of_queries(tmp_path):
    """Its prediction is a sum of probabilities, whose logarithm is a logit."""
    files = trained(tmp_path, zoo_model('seg mask2former', size=SIZE).to_dict(), None)
    (found,) = Teacher(built(segmentor()), **files)(images())
    with torch.no_grad():
        scores = own(files).encode_decode(images(), [image_meta((16, 16))] * 2)
    torch.testing.assert_close(found.exp(), scores.clamp(min=1e-6))


@pytest.mark.parametrize('bf16', [False, True])
def test_half_precision_where_the_cpu_has_it(tmp_path, monkeypatch, bf16):
    monkeypatch.setattr('nasvit_mm.compat.amp.has_bf16', lambda: bf16)
    files = trained(tmp_path)
    auto, whole, half = (
        Teacher(built(segmentor()), **files, precision=p)(images())[0]
        for p in ('auto', 'fp32', 'bf16')
    )
    assert half.dtype == torch.float32
    assert 0 < float((whole - half).abs().max()) < 0.1 * float(whole.abs().max())
    assert torch.equal(auto, half if bf16 else whole)


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (dict(config=None), r'no config: expected teacher=dict\(config=FILE, checkpoint=FILE\)'),
        (dict(precision='half'), "precision = 'half', allowed: auto, fp32, fp16, bf16"),
        (dict(pixl={}), r'teacher has pixl \(did you mean pixel\?\), allowed: .*channel'),
        (dict(pixel=2.0), r'teacher.pixel = 2.0, expected dict\(weight'),
        (dict(pixel=dict(weigth=2)), r'teacher.pixel has weigth \(did you mean weight\?\)'),
        (dict(pixel=dict(weight=0)), 'teacher.pixel.weight = 0, expected a number, above 0'),
        (dict(pixel=None, channel=None), 'nothing is learnt from the teacher'),
    ],
)
def test_what_is_wrong_is_said_at_once(options, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        Teacher(built(segmentor()), **{**trained(tmp_path), **options})


def test_a_checkpoint_of_another_model(tmp_path):
    files = trained(tmp_path)
    trained(tmp_path / 'x' if (tmp_path / 'x').mkdir() else tmp_path / 'x', segmentor(5), None)
    teacher = Teacher(built(segmentor()), files['config'], tmp_path / 'x/teacher.pth')
    with pytest.raises(UsageError, match='the teacher: checkpoint .* does not fit'):
        teacher.meet()


def test_a_supernet_is_no_teacher(tmp_path):
    files = trained(tmp_path)
    Config(dict(model=supernet(files))).dump(tmp_path / 'supernet.py')
    teacher = Teacher(built(segmentor()), tmp_path / 'supernet.py', files['checkpoint'])
    with pytest.raises(UsageError, match='is of a supernet, .*nasvit-mm export'):
        teacher.meet()


def test_whose_names_are_given(tmp_path):
    files = trained(tmp_path, classes=('a', 'b', 'c', 'd'))
    with pytest.raises(UsageError, match='no road, sky, tree'):
        Teacher(built(segmentor()), **files).meet(CLASSES)
    Teacher(built(segmentor()), **files, classes=CLASSES).meet(CLASSES)
    with pytest.raises(UsageError, match='names 3 classes, and the teacher has 4'):
        Teacher(built(segmentor()), **files, classes=CLASSES[:3]).meet(CLASSES)


def test_images_are_resized_for_its_pass(tmp_path):
    """It sees what it would see of larger images; its answers come to our grid."""
    files = trained(tmp_path)
    teacher = Teacher(built(segmentor()), **files, scale=2.0, channel=None)
    (answers,) = teacher(images())
    larger = F.interpolate(images(), (128, 128), mode='bilinear', align_corners=False)
    torch.testing.assert_close(answers, own_logits(files, larger))
    ours = F.interpolate(answers, (16, 16), mode='bilinear', align_corners=False)
    losses = teacher.losses(StepOutput((ours,), torch.zeros(())), [answers])
    assert float(losses['pixel']) == pytest.approx(0, abs=1e-6)


def test_scales_that_cannot_be(tmp_path):
    files = trained(tmp_path)
    with pytest.raises(UsageError, match='teacher.scale = 0'):
        Teacher(built(segmentor()), **files, scale=0)
    with pytest.raises(UsageError, match='teacher.scale = 2.0: a detector is compared'):
        Teacher(built(zoo_model('fcos'), 'mmdet'), **files, scale=2.0)
