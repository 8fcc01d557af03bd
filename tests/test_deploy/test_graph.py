"""What an artefact's graph gives is what the model itself predicts of the same images."""

from __future__ import annotations

import pytest
import torch
from mmengine.model import BaseModel

from nasvit_mm.dense import build_model
from nasvit_mm.deploy import boxes
from nasvit_mm.deploy.boxes import check_held
from nasvit_mm.deploy.formats import exported
from nasvit_mm.deploy.graph import Graph
from nasvit_mm.deploy.pasting import pasted
from nasvit_mm.errors import UsageError
from tests.families import randomised
from tests.test_dense.test_zoo import HEADS
from tests.test_deploy.models import SIZE, convolutions, images, model, samples
from tests.zoo import ZOO, zoo_model, zoo_network


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
    shown, scores, labels = Graph(built, size).eval()(torch.from_numpy(given))
    for i, sample in enumerate(built.test_step(samples(built, given))):
        wanted = sample.pred_instances
        number = len(wanted)
        assert number > 5
        assert int((scores[i] > 0).sum()) == number
        assert torch.equal(labels[i, :number].long(), wanted.labels)
        torch.testing.assert_close(scores[i, :number], wanted.scores)
        torch.testing.assert_close(shown[i, :number], wanted.bboxes, atol=1e-3, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(('number', 'size'), [(1, (64, 96)), (3, (96, 160))])
def test_images_of_any_number_and_size(any_size, number, size):
    built, program = any_size
    given = images(number, size)
    found = program(torch.from_numpy(given))
    wanted = [sample.pred_sem_seg.data[0] for sample in built.test_step(samples(built, given))]
    assert len(found.unique()) > 1
    assert torch.equal(found.long(), torch.stack(wanted))


@pytest.fixture(scope='module')
def any_size():
    torch.manual_seed(0)
    built = randomised(build_model(convolutions())).eval()
    torch.nn.init.normal_(built.decode_head.conv_seg.weight)
    return built, exported(Graph(built, SIZE, dynamic=True).eval(), None).module()


def test_attention_has_one_size():
    with pytest.raises(UsageError, match='attention of NASViT is laid out for one size'):
        Graph(model('label map'), SIZE, dynamic=True)


def test_any_size_is_a_multiple_of_what_strides_divide():
    with pytest.raises(UsageError, match='multiples of 32; --shape is 65 96.* --shape 96 96'):
        Graph(build_model(convolutions()), (65, 96), dynamic=True)


def test_boxes_have_one_size():
    with pytest.raises(UsageError, match='--dynamic is of a segmentor; this model predicts boxes'):
        Graph(model('boxes'), SIZE, dynamic=True)


OF_ZOO = {  # heads of mmdet that choose in ways of their own
    'faster_rcnn': 'regions of several levels',
    'cascade_mask_rcnn': 'three second stages, masks of boxes',
    'rtmdet-ins': 'masks of the image',
    'yolox': 'one class of a place',
    'yolov3': 'objectness',
    'fcos': 'scores times centerness',
    'centernet': 'peaks',
    'deformable_detr': 'queries',
}
LARGER = (128, 160)  # so that the smallest maps of pyramids have several pixels
REST = 'htc', 'point_rend', 'sparse_rcnn', 'crowddet', 'detr', 'dino', 'ddq', 'autoassign', 'scnet'


def head_of_zoo(name: str):
    """A detector of mmdet's around a small backbone, with random weights that matter."""
    torch.manual_seed(0)
    cfg = zoo_model(ZOO.get(name) or HEADS[name], 'nasvit', LARGER)
    cfg.backbone.arch = 'smallest'
    built = zoo_network(cfg).eval()
    for key, weight in built.named_parameters():
        if weight.ndim > 1 and 'backbone' not in key:
            weight.data += 0.25 * torch.randn(weight.shape) * weight[0].numel() ** -0.5
    return built


@torch.no_grad()
@pytest.mark.parametrize(
    'name', [*OF_ZOO, *(pytest.param(name, marks=pytest.mark.nightly) for name in REST)]
)
def test_every_head_predicts_as_it_does_itself(name):
    built = head_of_zoo(name)
    graph = Graph(built, LARGER).eval()
    given = torch.from_numpy(images(1, LARGER))
    found = dict(zip(graph.output_names, graph(given), strict=True))
    (sample,) = built.test_step(samples(built, given.numpy()))
    wanted = sample.pred_instances
    number = len(wanted)
    assert number > 1
    assert int((found['scores'] > 0).sum()) == number
    torch.testing.assert_close(found['scores'][0, :number], wanted.scores, atol=1e-4, rtol=1e-4)
    shown = found['boxes'][0, :number]
    torch.testing.assert_close(shown.sum(), wanted.bboxes.sum(), atol=1e-2, rtol=1e-4)
    if 'masks' in wanted:
        form = dict(graph.masks._asdict(), input=graph.padded)
        drawn = pasted(found['masks'][0, :number].numpy(), shown.numpy(), form, LARGER[::-1])
        assert drawn.any()
        assert (drawn != wanted.masks.numpy()).mean() < 1e-3


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('solo', 'SOLOHead of SOLO cannot be deployed: it predicts masks, in a form that'),
        ('fast_rcnn', 'StandardRoIHead of FastRCNN cannot be deployed: its choice of boxes'),
        ('panoptic_fpn', 'cannot be deployed: it gives no boxes, but pred_panoptic_seg'),
    ],
)
def test_a_head_that_cannot_be_held_is_named(name, said):
    built = head_of_zoo(name)
    with pytest.raises(UsageError, match=said):
        check_held(built, torch.randn(1, 3, *LARGER), LARGER)


def test_boxes_that_would_be_others_are_refused(monkeypatch):
    built, given = model('boxes'), images(1)
    monkeypatch.setattr('nasvit_mm.deploy.boxes.NO_LIMIT', 1)
    built.test_cfg.nms_pre = built.bbox_head.test_cfg.nms_pre = 0
    graph = Graph(built, SIZE)
    with pytest.raises(UsageError, match='RetinaHead of RetinaNet .* gives other scores'):
        check_held(built, graph.normalised(torch.from_numpy(given)), SIZE)


@pytest.mark.parametrize(
    'change',
    [
        lambda boxes, scores, labels: (boxes + 8, scores, labels),
        lambda boxes, scores, labels: (boxes, scores, labels + 1),
    ],
    ids=['boxes', 'labels'],
)
def test_boxes_and_labels_that_would_be_others_are_refused(change, monkeypatch):
    built, given = model('boxes'), images(1)
    right = boxes.detections
    monkeypatch.setattr(boxes, 'detections', lambda *args: change(*right(*args)))
    graph = Graph(built, SIZE)
    said = r'RetinaHead of RetinaNet .* \d+ of \d+ boxes or labels are others'
    with pytest.raises(UsageError, match=said):
        check_held(built, graph.normalised(torch.from_numpy(given)), SIZE)


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
