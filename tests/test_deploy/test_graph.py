"""What an artefact's graph gives is what the model itself predicts of the same images."""

from __future__ import annotations

import pytest
import torch
from mmengine.model import BaseModel

from nasvit_mm.deploy.graph import Graph
from nasvit_mm.errors import UsageError
from tests.test_deploy.models import SIZE, images, model, samples


@torch.no_grad()
def test_label_map_is_that_of_mmseg():
    built, given = model('label map'), images(2)
    found = Graph(built, SIZE).eval()(torch.from_numpy(given))
    wanted = [sample.pred_sem_seg.data[0] for sample in built.test_step(samples(built, given))]
    assert found.dtype == torch.uint8
    assert len(found.unique()) > 1
    assert torch.equal(found.long(), torch.stack(wanted))


@torch.no_grad()
@pytest.mark.parametrize('size', [SIZE, (70, 90)], ids=['as it is', 'padded'])
def test_boxes_are_those_of_mmdet(size):
    built, given = model('boxes'), images(2, size)
    size = given.shape[1:3]
    boxes, scores, labels = Graph(built, size).eval()(torch.from_numpy(given))
    for i, sample in enumerate(built.test_step(samples(built, given))):
        wanted = sample.pred_instances
        number = len(wanted)
        assert number > 5
        assert int((scores[i] > 0).sum()) == number
        assert torch.equal(labels[i, :number].long(), wanted.labels)
        torch.testing.assert_close(scores[i, :number], wanted.scores)
        torch.testing.assert_close(boxes[i, :number], wanted.bboxes, atol=1e-3, rtol=1e-4)


@torch.no_grad()
def test_scores_of_a_classifier():
    built, given = model('classes'), images(1)
    found = Graph(built, SIZE).eval()(torch.from_numpy(given))
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    ready = ((torch.from_numpy(given).float() - mean) / std).permute(0, 3, 1, 2)
    torch.testing.assert_close(found, built(ready).softmax(1))


def test_a_model_that_predicts_none_of_these():
    class Other(BaseModel):
        def forward(self, inputs, mode='tensor'):
            return inputs

    with pytest.raises(UsageError, match='Other cannot be deployed'):
        Graph(Other(), SIZE)


def test_logits_are_of_segmentors():
    with pytest.raises(UsageError, match='--logits are of a segmentor'):
        Graph(model('classes'), SIZE, logits=True)
