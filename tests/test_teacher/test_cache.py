"""Answers that are kept: the teacher does not run for what it has seen."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest
import torch

from nasvit_mm.errors import UsageError
from nasvit_mm.teacher import Teacher
from tests.test_teacher.segmentors import CLASSES, built, segmentor, trained

IMAGES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(3))


def kept(folder, files: dict, **options) -> Teacher:
    teacher = Teacher(built(segmentor()), **files, cache=folder / 'cache', **options)
    teacher.meet(CLASSES)
    return teacher


def seen(teacher: Teacher, images: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """The answers, and how many images each of the teacher's passes had."""
    model = teacher._model
    with mock.patch.object(model, 'encode_decode', wraps=model.encode_decode) as passes:
        (answers,) = teacher(images)
    return answers, [len(call.args[0]) for call in passes.call_args_list]


def test_an_image_is_seen_once(tmp_path):
    files = trained(tmp_path)
    (plain,) = Teacher(built(segmentor()), **files)(IMAGES)
    first, passes = seen(kept(tmp_path, files), IMAGES[:2])
    assert passes == [2]
    torch.testing.assert_close(first, plain[:2], rtol=1e-3, atol=1e-3)
    again, passes = seen(kept(tmp_path, files), IMAGES.flip(0))  # another run, another order
    assert passes == [1]
    assert torch.equal(again[1:], first.flip(0)) and again.dtype == torch.float32
    mirrored, passes = seen(kept(tmp_path, files), IMAGES[:1].flip(-1))
    assert passes == [1] and not torch.equal(mirrored, first[:1])


@pytest.mark.parametrize('what', ['weights', 'order', 'precision'])
def test_another_teacher_has_answers_of_its_own(what, tmp_path):
    files = trained(tmp_path)
    seen(kept(tmp_path, files), IMAGES)
    if what == 'weights':
        content = torch.load(files['checkpoint'])
        content['state_dict']['decode_head.conv_seg.bias'] += 1
        torch.save(content, files['checkpoint'])
    options = dict(precision='bf16') if what == 'precision' else {}
    if what == 'order':
        options = dict(classes=CLASSES[::-1])
    assert seen(kept(tmp_path, files, **options), IMAGES)[1] == [3]


def transforms(*names: str) -> SimpleNamespace:
    steps = [type(name, (), {})() for name in names]
    return SimpleNamespace(pipeline=SimpleNamespace(transforms=steps), metainfo={})


def test_images_that_change_are_refused(tmp_path):
    teacher = Teacher(built(segmentor()), **trained(tmp_path), cache=tmp_path / 'cache')

    def begin(*names):
        loader = SimpleNamespace(dataset=transforms(*names))
        teacher.begin(SimpleNamespace(train_dataloader=loader))

    with pytest.raises(UsageError, match='teacher.cache: .* by RandomCrop, Mine; leave those out'):
        begin('LoadImageFromFile', 'RandomCrop', 'RandomFlip', 'Mine', 'PackSegInputs')
    begin('LoadImageFromFile', 'RandomFlip', 'PackSegInputs')
    teacher._student[0].data_preprocessor.batch_augments = [dict(type='X')]
    with pytest.raises(UsageError, match='by batch_augments of the data_preprocessor'):
        begin('PackSegInputs')
