"""Answers that are kept: the teacher does not run for what it has seen."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from mmengine.config import Config

from nasvit_mm.errors import UsageError
from nasvit_mm.teacher import AnswerCache, Teacher, cache
from nasvit_mm.teacher.cache import check_repeats
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


@pytest.mark.parametrize('damage', [lambda file: file[:50], lambda file: b''])
def test_a_damaged_file_is_written_anew(damage, tmp_path):
    files = trained(tmp_path)
    first, _ = seen(kept(tmp_path, files), IMAGES[:1])
    (path,) = tmp_path.glob('cache/*/*.npz')
    path.write_bytes(damage(path.read_bytes()))
    for passes in ([1], []):
        again, found = seen(kept(tmp_path, files), IMAGES[:1])
        assert found == passes and torch.equal(again, first)


def test_the_precision_is_what_it_comes_to(tmp_path, monkeypatch):
    """By 'auto': answers of bfloat16 are none of float32."""
    files = trained(tmp_path)
    for half, passes in ((torch.bfloat16, [3]), (torch.float32, [3]), (torch.float32, [])):
        monkeypatch.setattr('nasvit_mm.teacher.teacher.half_type', lambda device, half=half: half)
        assert seen(kept(tmp_path, files), IMAGES)[1] == passes
    assert seen(kept(tmp_path, files, precision='bf16'), IMAGES)[1] == []


def test_values_beyond_half_precision(tmp_path):
    answers = AnswerCache(tmp_path, 'any')(IMAGES[:1], lambda images: [torch.full((1, 2), 7e4)])
    assert torch.equal(answers[0], torch.full((1, 2), 65504.0))


def test_a_folder_that_is_none(tmp_path):
    files = trained(tmp_path)
    for given in (files['config'], 5):
        with pytest.raises(UsageError, match='teacher.cache = .*, expected a folder'):
            Teacher(built(segmentor()), **files, cache=given)


@pytest.mark.parametrize('whose', ['ours', 'theirs', 'both', 'others'])
def test_images_that_a_pipeline_normalises(whose, tmp_path):
    """Preprocessors alone are asked how; the same Normalize on both sides is fine."""
    values = dict(mean=[1.0] * 3, std=[2.0] * 3)
    files = trained(tmp_path)
    steps = []
    if whose != 'theirs':
        steps = [type('Normalize', (), {})()]
        vars(steps[0]).update(values, to_rgb=True)
    if whose != 'ours':
        more = dict(values, mean=[5.0] * 3) if whose == 'others' else values
        cfg = Config.fromfile(files['config'])
        cfg.test_dataloader = dict(dataset=dict(pipeline=[dict(type='Normalize', **more)]))
        cfg.dump(files['config'])
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=SimpleNamespace(pipeline=steps, metainfo={}))
    )
    teacher = Teacher(built(segmentor()), **files)
    if whose == 'both':
        teacher.begin(runner)
        return
    with pytest.raises(UsageError, match='the transform Normalize makes the images of|that the'):
        teacher.begin(runner)


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


def wrapped(name, inside, *names):
    """A wrapper of a name around data sets, with transforms of its own in a list."""
    steps = [type(each, (), {})() for each in names]
    one = dict(datasets=inside) if isinstance(inside, list) else dict(dataset=inside)
    return type(name, (), dict(one, pipeline=steps) if names else one)()


def test_what_wrappers_do_is_looked_at():
    images = transforms('LoadImageFromFile', 'PackSegInputs')
    check_repeats(wrapped('RepeatDataset', wrapped('ConcatDataset', [images, images])), None)
    mixed = wrapped('MultiImageMixDataset', images, 'Mosaic', 'RandomFlip')
    for dataset in (mixed, wrapped('ConcatDataset', [images, mixed])):
        with pytest.raises(UsageError, match='by Mosaic; leave'):
            check_repeats(dataset, None)
    with pytest.raises(UsageError, match='by the data set Strange; leave'):
        check_repeats(wrapped('Strange', images), None)
    with pytest.raises(UsageError, match='by the data set SimpleNamespace; leave'):
        check_repeats(SimpleNamespace(), None)


def test_padding_that_differs_is_warned_of_once(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(cache, 'print_log', lambda text, *_, level=0, **__: said.append(level))
    kept = AnswerCache(tmp_path, 'one')
    for number, side in ((2, 8), (1, 12), (2, 8)):
        kept(torch.zeros(number, 3, side, 8), lambda images: [images])
    assert logging.WARNING not in said
    for side in (12, 16):
        kept(torch.zeros(2, 3, side, 8), lambda images: [images])
    assert said.count(logging.WARNING) == 1
