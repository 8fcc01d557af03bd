"""Models of the zoos: counted as torch counts a real prediction of them, and left as they are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nasvit_mm.data import seed_everything
from nasvit_mm.dense import ModelCost, check_channels, count_model, kind_of
from nasvit_mm.registry import MODELS
from tests.zoo import (
    ALL,
    KINDS,
    NETWORKS,
    R50,
    TOP,
    ZOO,
    Entry,
    with_families,
    zoo_model,
    zoo_network,
)

SIZE = (128, 160)
HEADS = {  # what only counting tells from what is in the zoo of the other tests
    'groie': Entry('mmdet', 'groie/faste-rcnn_r50_fpn_groie_1x_coco.py'),
    'ms_rcnn': Entry('mmdet', 'ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py'),
    'point_rend': Entry('mmdet', 'point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py'),
    'double_heads': Entry('mmdet', 'double_heads/dh-faster-rcnn_r50_fpn_1x_coco.py'),
    'scnet': Entry('mmdet', 'scnet/scnet_r50_fpn_1x_coco.py'),
    'boxinst': Entry('mmdet', 'boxinst/boxinst_r50_fpn_ms-90k_coco.py'),
    'mdpool': Entry('mmdet', 'dcnv2/faster-rcnn_r50_fpn_mdpool_1x_coco.py'),
    'fast_rcnn': Entry('mmdet', 'fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py'),
    'lad': Entry('mmdet', 'lad/lad_r50-paa-r101_fpn_2xb8_coco_1x.py'),
    'dab_detr': Entry('mmdet', 'dab_detr/dab-detr_r50_8xb2-50e_coco.py', (3,), (2048,)),
    'queryinst': Entry('mmdet', 'queryinst/queryinst_r50_fpn_1x_coco.py'),
    'sepbn': Entry(
        'mmdet', 'efficientnet/retinanet_effb3_fpn_8xb4-crop896-1x_coco.py', TOP, (48, 136, 384)
    ),
    'resize_concat': Entry(
        'mmseg', 'hrnet/fcn_hr18_4xb2-160k_cityscapes-512x1024.py', ALL, (18, 36, 72, 144)
    ),
    'deeplabv3plus': Entry(
        'mmseg', 'deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py'
    ),
    'jpu': Entry(
        'mmseg', 'fastfcn/fastfcn_r50-d32_jpu_aspp_4xb2-80k_cityscapes-512x1024.py', TOP, R50[1:]
    ),
    'ann': Entry('mmseg', 'ann/ann_r50-d8_4xb2-40k_cityscapes-512x1024.py'),
}
ENTRIES = ZOO | HEADS
QUICK = [  # and one of every head that is counted in a way of its own
    *('resize_concat', 'deeplabv3plus', 'jpu', 'seg point_rend', 'seg maskformer'),
    *('sepbn', 'rtmdet-ins', 'yolact', 'solov2'),
    *('grid_rcnn', 'groie', 'ms_rcnn', 'point_rend', 'scnet', 'double_heads', 'htc'),
    *('queryinst', 'fast_rcnn', 'detr', 'ddq', 'mask2former', 'maskformer', 'mdpool'),
]
CASES = with_families(KINDS + QUICK)
REST = sorted(set(itertools.product(ENTRIES, NETWORKS)) - set(CASES))
# Of an image every region and instance is taken: no score is too low, no two boxes the same.
FORCED = dict(score_thr=-1.0, iou_threshold=1.0, iou_thr=1.0, min_bbox_size=-1, nms_pre=1000)


class Case(NamedTuple):
    """A model that was run, counted and run again."""

    model: nn.Module
    cost: ModelCost
    real: int
    before: list[Tensor]
    after: list[Tensor]
    tensors: list[tuple[Tensor, torch.device]]


def forced(node: Any, **values: Any) -> None:
    """Set keys of a config wherever they are, in place."""
    if isinstance(node, (list, tuple)):
        for item in node:
            forced(item, **values)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in values:
                node[key] = values[key]
            else:
                forced(value, **values)


def config_of(name: str, space: str) -> ConfigDict:
    model = zoo_model(ENTRIES[name], space, SIZE)
    model.backbone.arch = 'smallest'
    if name == 'lad':
        model['teacher_backbone'], model.teacher_ckpt = model.backbone, None
    if name.startswith('solo'):  # comparing masks by a matrix product is choosing: none is left
        model.test_cfg.score_thr = 2.0
    elif model.get('test_cfg'):
        forced(model.test_cfg, **FORCED)
    return model


def prediction(model: nn.Module) -> Callable[[], Any]:
    """A whole prediction of one image by the model's own code, with values."""
    image = torch.linspace(-1, 1, 3 * SIZE[0] * SIZE[1]).sin().view(1, 3, *SIZE)
    shapes = ('img_shape', 'ori_shape', 'pad_shape', 'batch_input_shape')
    meta = dict.fromkeys(shapes, SIZE) | dict(scale_factor=(1.0, 1.0))
    meta['border'] = [0, SIZE[0], 0, SIZE[1]]  # CenterNet's pipeline says so
    if hasattr(model, 'encode_decode'):
        return lambda: model.encode_decode(image, [meta])
    from mmdet.structures import DetDataSample

    if hasattr(model, 'roi_head') and type(model.roi_head).__name__ == 'SparseRoIHead':
        for head in (
            getattr(model.roi_head, 'mask_head', None) or ()
        ):  # pasting fails on boxes of untrained heads
            head.predict_by_feat = lambda masks, results, *rest, **more: results

    def predict() -> Any:
        sample = DetDataSample(metainfo=meta)
        if getattr(model, 'rpn_head', None) is None and getattr(model, 'roi_head', None):
            sample.proposals = InstanceData(bboxes=torch.tensor([[0.0, 0.0, 99.0, 99.0]] * 1000))
        return model.predict(image, [sample], rescale=False)

    return predict


def tensors_in(value: Any) -> Iterator[Tensor]:
    if torch.is_tensor(value):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif hasattr(value, 'all_items'):
        for _, item in value.all_items():
            yield from tensors_in(item)


def not_seen_by_torch(model: nn.Module) -> list[int]:
    """Notes of the MACs of a forward that torch's counter leaves out, filled as it runs."""
    found: list[int] = []

    def weighted_sums(module: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        points = module.num_levels * module.num_points
        found.append(output.numel() * points)

    for module in model.modules():
        if type(module).__name__ == 'MultiScaleDeformableAttention':
            module.register_forward_hook(weighted_sums, with_kwargs=True)
    return found


def real_macs(model: nn.Module) -> tuple[int, list[Tensor]]:
    """MACs of a real prediction by torch's counter on the CPU, and what it gave."""
    unseen, fastpath = not_seen_by_torch(model), torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            with FlopCounterMode(display=False) as counter:
                given = prediction(model)()
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
    return counter.get_total_flops() // 2 + sum(unseen), list(tensors_in(given))


def run_and_counted(name: str, space: str) -> Case:
    seed_everything(0)
    model = zoo_network(config_of(name, space))
    model.requires_grad_(False)  # torch's counter wants no gradients of shared layers
    model.eval()
    tensors = [(t, t.device) for t in itertools.chain(model.parameters(), model.buffers())]
    real, before = real_macs(model)
    cost = count_model(model, SIZE)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        after = list(tensors_in(prediction(model)()))
    return Case(model, cost, real, before, after, tensors)


@pytest.fixture(scope='module', params=CASES, ids='-'.join)
def case(request: pytest.FixtureRequest) -> tuple[str, Case]:
    name, space = request.param
    return name, run_and_counted(name, space)


def check_macs(name: str, case: Case) -> None:
    counted = case.cost.total_macs
    if name == 'solov2':  # no score is reached: its dynamic convolution of 20 masks is not run
        maps = SIZE[0] // 4 * (SIZE[1] // 4)
        counted -= 20 * maps * case.model.mask_head.kernel_out_channels
    assert counted == case.real


def test_macs_are_those_of_torch_on_real_tensors(case: tuple[str, Case]) -> None:
    check_macs(*case)


def test_counting_does_not_touch_the_model(case: tuple[str, Case]) -> None:
    _, (model, _, _, before, after, tensors) = case
    assert before and len(before) == len(after)
    assert all(a.equal(b) for a, b in zip(before, after))
    now = itertools.chain(model.parameters(), model.buffers())
    assert all(t is known and t.device == device for t, (known, device) in zip(now, tensors))
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_parts_are_there(case: tuple[str, Case]) -> None:
    _, (model, cost, *_) = case
    assert set(cost.macs) == set(cost.params) and all(cost.macs.values())
    idle = kind_of(model).training_parts(model)
    params = sum(
        p.numel()
        for name, p in model.named_parameters()
        if not any(name.startswith(f'{part}.') for part in idle)
    )
    assert cost.total_params == params
    backbone = sum(p.numel() for p in model.backbone.parameters())
    assert cost.params['backbone'] == backbone


@pytest.mark.parametrize(
    ('name', 'numbers'),
    [
        ('fcos', {}),
        ('faster_rcnn', dict(regions=30)),
        ('cascade_mask_rcnn', dict(regions=30, instances=7)),
        ('fast_rcnn', dict(regions=1000)),
        ('condinst', dict(instances=7)),
        ('solov2', dict(instances=7)),
        ('sparse_rcnn', dict(queries=20)),
        ('detr', dict(queries=20)),
        ('ddq', dict(queries=20)),
        ('mask2former', dict(queries=20)),
        ('seg maskformer', dict(queries=20)),
        ('seg point_rend', {}),
    ],
)
def test_numbers_that_a_count_is_of_are_stated(name: str, numbers: dict[str, int]) -> None:
    model = config_of(name, 'nasvit')
    if model.get('test_cfg'):
        forced(model.test_cfg, max_per_img=7)
        if 'rpn' in model.test_cfg and model.test_cfg.rpn:
            model.test_cfg.rpn.max_per_img = 30
    built = MODELS.build(model)
    assert kind_of(built).counted_with(built) == numbers


def test_heads_that_choose_themselves() -> None:
    """Of Sparse R-CNN the prediction is what it computes, (images, queries, ...)."""
    model = MODELS.build(config_of('sparse_rcnn', 'nasvit'))
    model.eval()
    with torch.no_grad():
        boxes, scores = kind_of(model).prediction_fn(model, SIZE)(model, torch.zeros(2, 3, *SIZE))
    assert boxes.shape == (2, *scores.shape[1:], 4)


def test_channels_are_not_refused(case: tuple[str, Case]) -> None:
    check_channels(case[1].model)


@pytest.mark.nightly
@pytest.mark.parametrize(('name', 'space'), REST)
def test_macs_of_the_rest(name: str, space: str) -> None:
    check_macs(name, run_and_counted(name, space))
