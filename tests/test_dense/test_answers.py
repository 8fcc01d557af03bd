"""What subnets compare of their answers: read on the way of the model's own loss."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from torch import nn

from nasvit_mm.data import seed_everything
from nasvit_mm.dense import Shapes, StepOutput, build_model, kind_of
from nasvit_mm.dense.kinds.answers.base import heard
from nasvit_mm.dense.kinds.answers.queries import Found, matched
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import Distillation
from tests.commands import ROOT
from tests.test_supernet.tasks import batch, model_config
from tests.zoo import ZOO, zoo_batch, zoo_model

# One of each way to read answers; the others nightly.
FEW = ['danet', 'seg point_rend', 'yolov3', 'cascade_mask_rcnn', 'deformable_detr', 'maskformer']
REFUSED = {'autoassign', 'free_anchor', 'crowddet'}


class Adder:
    def add(self, a, b=2, *, c=0):
        return a + b + c


def test_calls_are_heard_and_their_results_given_again():
    adder = Adder()
    with heard(adder, 'add') as calls:
        assert adder.add(1, c=4) == 7 and adder.add(a=1) == 3
    assert [call.arguments for call in calls] == [dict(a=1, c=4), dict(a=1)]
    with heard(adder, 'add', [call.result for call in calls]) as again:
        assert [adder.add(0), adder.add(0), adder.add(0)] == [7, 3, 2]
    assert [call.result for call in again] == [7, 3, 2]
    assert not vars(adder)


def without_dropout(model: nn.Module) -> nn.Module:
    """Two forwards give the same."""
    for part in model.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.p = 0.0
        if isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0
    return model


def equal_subnets(name: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A model, what its own answers teach it, and the rest of the loss."""
    seed_everything(0)
    model = without_dropout(MODELS.build(zoo_model(name)).train())
    model.init_weights()
    kind = kind_of(model)
    data = model.data_preprocessor(zoo_batch(model), True)
    distill = Distillation(sampled='largest')
    distill.begin(None)
    seed_everything(1)
    distill.loss('largest', kind.forward(model, data))
    seed_everything(1)
    data = model.data_preprocessor(zoo_batch(model), True)
    output = kind.forward_on(model, data, distill.objects('sampled'))
    return model, distill.loss('sampled', output), output


def nothing_is_learnt_from_an_equal(name: str) -> None:
    model, loss, output = equal_subnets(name)
    parameters = [p for p in model.parameters() if p.requires_grad]
    taught = torch.autograd.grad(
        loss - output.rest, parameters, retain_graph=True, allow_unused=True
    )
    by_labels = torch.autograd.grad(output.loss, parameters, allow_unused=True)
    largest = max(float(g.abs().max()) for g in by_labels if g is not None)
    assert any(g is not None for g in taught)
    for g in taught:
        assert g is None or float(g.abs().max()) < 1e-4 * largest


@pytest.mark.parametrize('name', FEW)
def test_nothing_is_learnt_from_an_equal(name):
    nothing_is_learnt_from_an_equal(name)


@pytest.mark.nightly
@pytest.mark.parametrize('name', sorted(ZOO.keys() - REFUSED - {*FEW}))
def test_nothing_is_learnt_from_an_equal_in_the_zoo(name):
    nothing_is_learnt_from_an_equal(name)


@pytest.mark.parametrize('name', ['segmentation by a sigmoid', 'segmentation of one class'])
def test_decisions_by_a_sigmoid_are_learnt(name):
    """The softmax of a single channel is 1, of which nothing could be learnt."""
    cfg = Config(model_config('nasvit', 'segmentation'))
    loss = dict(type='CrossEntropyLoss', use_sigmoid=True)
    channels = 1 if 'one class' in name else 4
    cfg.decode_head.update(num_classes=max(channels, 2), out_channels=channels, loss_decode=loss)
    seed_everything(0)
    model = MODELS.build(cfg.to_dict()).train()
    kind, data = kind_of(model), batch(model, (64, 64), classes=2)
    output = kind.forward(model, data)
    (logits,) = output.logits
    assert logits.shape[:3] == (2, 2, channels) and output.rest == 0
    distill = Distillation(sampled='largest')
    distill.begin(None)
    distill.loss('largest', output)
    model.backbone.set_arch('smallest')
    distill.loss('sampled', kind.forward(model, data)).backward()
    assert any(p.grad is not None and p.grad.any() for p in model.decode_head.parameters())


def test_a_head_with_a_loss_of_its_own_is_not_known():
    """A regression, say; the same head with the standard loss is."""
    model = MODELS.build(model_config('nasvit', 'segmentation'))

    class Depth(type(model.decode_head)):
        def loss_by_feat(self, seg_logits, batch_data_samples):
            return dict(loss_depth=seg_logits.square().mean())

    kind, data = kind_of(model), batch(model, (64, 64))
    assert kind.teaches(model)
    model.decode_head.__class__ = Depth
    output = kind.forward(model, data)
    assert not kind.teaches(model) and output.logits == () and output.loss > 0


@pytest.mark.parametrize(
    ('name', 'replaced'),
    [
        ('sabl_retina', ['loss_cls']),  # and not loss_bbox_cls, which is of the boxes' buckets
        ('danet', ['decode.pam_cam.loss_ce']),
        ('ocrnet', ['decode_1.loss_ce']),
        ('yolov3', ['loss_cls', 'loss_conf']),
        ('cascade_mask_rcnn', ['s2.loss_cls', 's2.loss_mask']),
        ('deformable_detr', []),
    ],
)
def test_what_the_answers_of_others_replace(name, replaced):
    seed_everything(0)
    model = without_dropout(MODELS.build(zoo_model(name)).train())
    model.init_weights()
    kind = kind_of(model)
    seed_everything(1)
    output = kind.forward(model, model.data_preprocessor(zoo_batch(model), True))
    seed_everything(1)
    losses = model(**model.data_preprocessor(zoo_batch(model), True), mode='loss')
    rest, parts = model.parse_losses({k: v for k, v in losses.items() if k not in replaced})
    assert replaced == [k for k in losses if k in replaced]
    assert float(output.rest) == pytest.approx(float(rest), rel=1e-4)
    assert float(output.loss) == pytest.approx(float(model.parse_losses(losses)[0]), rel=1e-6)


@pytest.mark.parametrize('name', ['mask_rcnn', 'maskformer'])
def test_the_mean_of_sampled_subnets(name):
    seed_everything(0)
    model = MODELS.build(zoo_model(name)).train()
    kind, space = kind_of(model), model.backbone.space
    distill = Distillation(smallest='mean')
    distill.begin(None)
    for role, arch in zip(['sampled', 'sampled', 'smallest'], [*space.sample(0, 2), 'smallest']):
        model.backbone.set_arch(arch)
        data = model.data_preprocessor(zoo_batch(model), True)
        output = kind.forward_on(model, data, distill.objects(role))
        loss = distill.loss(role, output)
    (loss - output.rest).backward()
    assert loss.isfinite() and any(p.grad is not None and p.grad.any() for p in model.parameters())


def test_softmax_scores_are_distributions_over_classes():
    cfg = Config.fromfile(ROOT / 'configs/demo/nasvit_detection.py')
    cfg.model.bbox_head.loss_cls = dict(type='CrossEntropyLoss', use_sigmoid=False)
    seed_everything(0)
    model = build_model(cfg)
    output = kind_of(model).forward(model, batch(model, (64, 96)))
    classes = model.bbox_head.num_classes + 1
    anchors = model.bbox_head.num_base_priors
    assert {z.shape[:3] for z in output.logits} == {(2, classes, anchors)}


def test_all_answer_for_the_regions_of_the_first():
    seed_everything(0)
    model = MODELS.build(zoo_model('mask_rcnn')).train()
    kind = kind_of(model)

    def answer(arch, objects):
        model.backbone.set_arch(arch)
        data = model.data_preprocessor(zoo_batch(model), True)
        return kind.forward_on(model, data, objects)

    first = answer('largest', None)
    second = answer('smallest', first.objects)
    boxes = [
        [sample.priors for samples in output.objects for sample in samples]
        for output in (first, second)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*boxes))
    assert [s.values.shape for s in first.shapes] == [s.values.shape for s in second.shapes]
    assert [s.masks for s in first.shapes] == [False, True]


def test_queries_are_matched_one_to_one():
    torch.manual_seed(0)
    found = Found(torch.rand(2, 6, 3), torch.rand(2, 6, 4))
    order = torch.stack([torch.randperm(6) for _ in range(2)])
    assert torch.equal(matched(found, found.of(order[:, :4])), order[:, :4])
    # The surest query of the target takes the nearest, whatever the others take.
    target = Found(torch.tensor([[[0.9], [0.1]]]), torch.zeros(1, 2, 4))
    near = Found(torch.tensor([[[0.9], [0.9]]]), torch.tensor([[[0.0] * 4, [0.5] * 4]]))
    assert matched(near, target).tolist() == [[0, 1]]


def test_no_objects_teach_nothing():
    """Of images without objects there may be no regions."""
    values = [torch.zeros(*shape, requires_grad=True) for shape in ((0, 5), (0, 4), (0, 7, 7))]
    scores, boxes, masks = values
    shapes = (Shapes(boxes, torch.zeros(0)), Shapes(masks, torch.zeros(0), masks=True))
    output = StepOutput((scores,), torch.ones(()), shapes=shapes)
    distill = Distillation(sampled='largest')
    distill.begin(None)
    distill.loss('largest', output)
    loss = distill.loss('sampled', output)
    loss.backward()
    assert loss == 0 and all(v.grad is not None for v in values)
