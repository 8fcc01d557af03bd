"""An artefact in the place of a config's model: images in, predictions at the images' own sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from nasvit_mm.apis import evaluate
from nasvit_mm.deploy import ArtefactModel
from nasvit_mm.errors import UsageError
from tests.commands import ROOT
from tests.test_deploy.models import CONFIGS, written


@pytest.fixture
def model_of(tmp_path, monkeypatch) -> Callable:
    """An artefact's model whose runtime is a function of the batch."""

    class Session:
        def __init__(self, run):
            self.run = run

    def make(run, **description):
        written(tmp_path, **description)
        monkeypatch.setattr('nasvit_mm.deploy.model.open_artefact', lambda *_: Session(run))
        return ArtefactModel(str(tmp_path))

    return make


def batch(image, sample, **meta):
    x = torch.from_numpy(image).flip(-1).permute(2, 0, 1)
    return dict(inputs=[x], data_samples=[sample(metainfo=meta)])


def test_a_label_map_has_the_size_of_the_image_in_its_file(model_of):
    from mmseg.structures import SegDataSample

    image = np.zeros((32, 48, 3), np.uint8)
    image[:, 24:, 0] = 7  # red: the order of channels matters
    model = model_of(lambda images: dict(label_map=images[..., 0]))
    (sample,) = model.test_step(batch(image, SegDataSample, ori_shape=(64, 96)))
    labels = sample.pred_sem_seg.data
    assert labels.shape == (1, 64, 96)
    assert (labels[0, :, :48] == 0).all()
    assert (labels[0, :, 48:] == 7).all()


def test_a_model_of_any_size_sees_the_image_at_the_nearest(model_of):
    from mmseg.structures import SegDataSample

    seen = []

    def run(images):
        seen.append(images.shape)
        return dict(label_map=images[..., 0])

    model = model_of(run, input=dict(shape=[1, None, None, 3], example=[32, 48]))
    image = np.zeros((30, 70, 3), np.uint8)
    image[:, 35:, 0] = 7
    (sample,) = model.test_step(batch(image, SegDataSample, ori_shape=(30, 70)))
    assert seen == [(1, 32, 64, 3)]
    assert (sample.pred_sem_seg.data[0] == torch.from_numpy(image[..., 0])).float().mean() > 0.95


def test_boxes_are_of_the_image_in_its_file(model_of):
    from mmdet.structures import DetDataSample

    found = dict(
        boxes=np.array([[[6, 6, 12, 18], [0, 0, 0, 0]]], np.float32),
        scores=np.array([[0.5, 0.0]], np.float32),
        labels=np.array([[1, 0]], np.int32),
    )
    model = model_of(lambda images: found, task='boxes', fit='pad', outputs={})
    # The pipeline halved the image, and the artefact takes it at 1.5 times that.
    data = batch(
        np.zeros((20, 32, 3), np.uint8), DetDataSample, ori_shape=(40, 64), scale_factor=(0.5, 0.5)
    )
    (sample,) = model.test_step(data)
    np.testing.assert_allclose(sample.pred_instances.bboxes, [[8, 8, 16, 24]])
    assert sample.pred_instances.labels.tolist() == [1]


def test_a_classifier_sees_the_image_before_it_was_normalised(model_of):
    seen = []

    def run(images):
        seen.append(images)
        return dict(scores=np.array([[0.25, 0.75]], np.float32))

    model = model_of(run, task='classes', outputs={})
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    x = torch.from_numpy(((image - mean) / std).astype(np.float32)).permute(2, 0, 1)
    (found,) = model.test_step(dict(inputs=x[None], labels=torch.tensor([1])))
    assert np.array_equal(seen[0][0], image)
    assert (found['scores'].tolist(), found['label']) == ([0.25, 0.75], 1)


def test_a_classifier_sees_what_the_pipeline_cropped(model_of):
    seen = []

    def run(images):
        seen.append(images)
        return dict(scores=np.array([[0.25, 0.75]], np.float32))

    model = model_of(run, task='classes', outputs={}, fit='crop', share=0.5)
    model.test_step(dict(inputs=torch.zeros(1, 3, 64, 96).index_fill(3, torch.tensor([0, 1]), 2)))
    assert seen[0].shape == (1, 32, 48, 3)
    assert (seen[0][0, :, 0] > seen[0][0, :, 1:].max()).all()  # the edge is there


def test_a_label_map_has_no_logits_to_add_up(tmp_path):
    written(tmp_path / 'out')
    with pytest.raises(UsageError, match='the artefact gives label maps: leave --tta out'):
        evaluate(ROOT / CONFIGS['label map'], tmp_path / 'out', work_dir=tmp_path, tta=True)


def test_logits_have_no_metric(model_of):
    with pytest.raises(UsageError, match='gives logits, which no metric takes'):
        model_of(None, outputs=dict(logits=dict(shape=[1, 2, 32, 48], dtype='float32')))
