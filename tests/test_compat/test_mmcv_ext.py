"""The stand-in for mmcv's compiled operations, against plain PyTorch references."""

import importlib.util
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
import torch

import nasvit_mm
from nasvit_mm.compat import mmcv_ext

ROOT = Path(nasvit_mm.__file__).resolve().parents[1]
HAS_MMCV = importlib.util.find_spec('mmcv') is not None
HAS_MMDET = importlib.util.find_spec('mmdet') is not None
HAS_COMPILED = HAS_MMCV and bool(
    list(Path(importlib.util.find_spec('mmcv').origin).parent.glob('_ext.*.so'))
)


@pytest.fixture(scope='module')
def ext() -> ModuleType:
    """The stand-in itself, also where this mmcv has compiled operations."""
    finder = mmcv_ext.StandInFinder()
    module = importlib.util.module_from_spec(finder.find_spec(mmcv_ext.NAME))
    finder.exec_module(module)
    return module


def run(code: str, *args: str) -> str:
    """Run `code` in a fresh interpreter, for imports happen once; return what it prints."""
    command = [sys.executable, '-c', textwrap.dedent(code), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- nms -------------------------------------------------------------------------------------


def reference_nms(boxes, scores, threshold, offset):
    order, kept = scores.argsort(descending=True).tolist(), []
    lengths = (boxes[:, 2:] - boxes[:, :2] + offset).clamp(min=0)
    areas = lengths.prod(1)
    while order:
        best = order.pop(0)
        kept.append(best)
        rest = torch.tensor(order, dtype=torch.long)
        near = torch.maximum(boxes[best, :2], boxes[rest, :2])
        far = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = (far - near + offset).clamp(min=0).prod(1)
        overlap = common / (areas[best] + areas[rest] - common)
        order = rest[overlap <= threshold].tolist()
    return torch.tensor(kept, dtype=torch.long)


def random_boxes(n, seed=0, levels=None):
    """Boxes and scores; equal scores where there are but some levels of them."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=generator) * 30
    size = torch.rand(n, 2, generator=generator) * 20 + 1
    scores = torch.rand(n, generator=generator)
    return torch.cat([corner, corner + size], 1), (
        scores if levels is None else (scores * levels).floor() / levels
    )


@pytest.mark.parametrize('levels', [None, 5, 1])
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('n', [0, 1, 2, 100, 1000])
def test_nms_is_the_reference(ext, n, offset, levels):
    boxes, scores = random_boxes(n, levels=levels)
    kept = ext.nms(boxes, scores, iou_threshold=0.4, offset=offset)
    assert kept.dtype == torch.long
    assert torch.equal(kept, reference_nms(boxes, scores, 0.4, offset))


def test_nms_offset_changes_the_answer(ext):
    # Two boxes of one pixel side by side: with offset 1 they share half of 2 x 1 pixels.
    boxes = torch.tensor([[0.0, 0, 1, 0], [1.0, 0, 2, 0]])
    scores = torch.tensor([0.9, 0.8])
    assert ext.nms(boxes, scores, 0.3, offset=0).tolist() == [0, 1]
    assert ext.nms(boxes, scores, 0.3, offset=1).tolist() == [0]


def test_nms_leaves_its_boxes_alone(ext):
    boxes, scores = random_boxes(5)
    before = boxes.clone()
    ext.nms(boxes, scores, 0.5, offset=1)
    assert torch.equal(boxes, before)


@pytest.mark.skipif(not HAS_MMCV, reason='needs mmcv')
@pytest.mark.parametrize('n', [1, 60])
@pytest.mark.parametrize('split_thr', [10_000, 10])
def test_boxes_of_other_classes_do_not_compete(n, split_thr):
    """mmcv's batched_nms moves each class away from the others, or takes them one by one."""
    from mmcv.ops import batched_nms

    boxes, scores = random_boxes(n)
    classes = torch.arange(n) % 3
    found, kept = batched_nms(
        boxes, scores, classes, dict(type='nms', iou_threshold=0.4, split_thr=split_thr)
    )
    alone = [torch.nonzero(classes == c).flatten() for c in range(3)]
    expected = torch.cat([of[reference_nms(boxes[of], scores[of], 0.4, 0)] for of in alone])
    expected = expected[scores[expected].argsort(descending=True)]
    assert kept.tolist() == expected.tolist()
    torch.testing.assert_close(found, torch.cat([boxes, scores[:, None]], 1)[expected])
    assert n < 60 or len(kept) > len(reference_nms(boxes, scores, 0.4, 0))


# --- against mmcv's compiled operations, where they are installed -----------------------------


@pytest.fixture
def compiled() -> ModuleType:
    if not HAS_COMPILED:
        pytest.skip('this mmcv has no compiled operations')
    return importlib.import_module('mmcv._ext')


@pytest.mark.parametrize('levels', [None, 5, 1])
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('n', [1, 100, 3000])
def test_nms_is_the_compiled_one(ext, compiled, n, offset, levels):
    boxes, scores = random_boxes(n, levels=levels)
    ours, theirs = (
        module.nms(boxes, scores, iou_threshold=0.4, offset=offset) for module in (ext, compiled)
    )
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize('aligned', [True, False])
def test_roi_align_is_the_compiled_one(ext, compiled, aligned):
    x, rois = torch.randn(2, 4, 16, 18), ROIS.float()
    torch.testing.assert_close(*(forward(m, x, rois, aligned) for m in (ext, compiled)))
    grad = torch.randn(len(rois), 4, 3, 3)
    torch.testing.assert_close(*(backward(m, grad, rois, x, aligned) for m in (ext, compiled)))


def test_focal_loss_is_the_compiled_one(ext, compiled):
    if not torch.cuda.is_available():
        pytest.skip("mmcv's compiled focal loss runs on a GPU only")
    x, target = torch.randn(7, 5, device='cuda'), torch.arange(7, device='cuda') % 6
    for name in ('sigmoid_focal_loss_forward', 'sigmoid_focal_loss_backward'):
        outs = torch.empty_like(x), torch.empty_like(x)
        for module, out in zip((ext, compiled), outs):
            getattr(module, name)(x, target, x.new_empty(0), out, gamma=2.0, alpha=0.25)
        torch.testing.assert_close(*outs)


MODEL_RUN = """
    import sys
    import torch
    from nasvit_mm.compat import mmcv_ext
    path, which, out = sys.argv[1:]
    if which == 'stand-in':
        sys.meta_path.insert(0, mmcv_ext.StandInFinder())
    import mmcv._ext
    assert mmcv_ext.is_stand_in(mmcv._ext) == (which == 'stand-in')

    from mmengine.config import Config
    from nasvit_mm.dense import build_model
    from tests.test_supernet.tasks import batch
    torch.manual_seed(0)
    cfg = Config.fromfile(path)
    cfg.model.test_cfg.get('rcnn', cfg.model.test_cfg).score_thr = 0.0
    model = build_model(cfg)
    model.init_weights()
    of = batch(model, (128, 192))
    losses = model.train()(**of, mode='loss')
    losses = {k: torch.as_tensor(sum(v) if isinstance(v, list) else v) for k, v in losses.items()}
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    found = dict(losses={k: v.detach() for k, v in losses.items()},
                 grads={k: p.grad for k, p in model.named_parameters() if p.grad is not None})
    with torch.no_grad():
        for i, p in enumerate(model.eval()(**of, mode='predict')):
            found[i] = {k: torch.as_tensor(v) for k, v in p.pred_instances.items()}
    torch.save(found, out)
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize('name', ['nasvit_coco', 'nasvit_coco_mask'])
def test_detectors_are_the_same_with_compiled_operations(compiled, tmp_path, name):
    """Losses, gradients and predictions of a whole RetinaNet and Mask R-CNN."""
    results = []
    for which in ('compiled', 'stand-in'):
        run(MODEL_RUN, f'configs/det/{name}.py', which, str(tmp_path / which))
        results.append(torch.load(tmp_path / which))
    assert len(results[0][0]['scores']) == 100
    assert all(g.abs().sum() > 0 for k, g in results[0]['grads'].items() if 'neck' in k)
    torch.testing.assert_close(*results, rtol=0, atol=0)


# --- roi_align -------------------------------------------------------------------------------


def reference_roi_align(x, rois, size, scale, ratio, aligned):
    """Mean of ratio x ratio bilinear samples a bin, by grid_sample."""
    shift = 0.5 if aligned else 0.0
    out = []
    for index, *corners in rois.tolist():
        x1, y1, x2, y2 = (c * scale - shift for c in corners)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        steps = (torch.arange(size * ratio, dtype=x.dtype) + 0.5) / (size * ratio)
        xs, ys = x1 + steps * width, y1 + steps * height
        h, w = x.shape[2:]
        grid = torch.stack(torch.meshgrid(ys, xs, indexing='ij')[::-1], -1)
        # Pixel centres are whole numbers: align_corners=True maps 0..w-1 to -1..1.
        grid = 2 * grid / torch.tensor([w - 1, h - 1], dtype=x.dtype) - 1
        picture = x[int(index)][None]
        samples = torch.nn.functional.grid_sample(
            picture, grid[None], padding_mode='border', align_corners=True
        )
        out.append(torch.nn.functional.avg_pool2d(samples, ratio)[0])
    return torch.stack(out) if out else x.new_zeros(0, x.shape[1], size, size)


ROIS = torch.tensor(
    [[0, 2.0, 3.0, 20.0, 25.0], [1, 5.5, 1.25, 12.0, 30.0], [1, 8.0, 8.0, 8.5, 8.5]],
    dtype=torch.float64,
)


def forward(ext, x, rois, aligned, pool_mode=1):
    out = x.new_full((len(rois), x.shape[1], 3, 3), float('nan'))
    empty = x.new_zeros(0)
    ext.roi_align_forward(
        x,
        rois,
        out,
        empty,
        empty,
        aligned_height=3,
        aligned_width=3,
        spatial_scale=0.5,
        sampling_ratio=2,
        pool_mode=pool_mode,
        aligned=aligned,
    )
    return out


def backward(ext, grad_output, rois, like, aligned):
    grad_input = torch.zeros_like(like) if like.isfinite().all() else like.clone()
    empty = like.new_zeros(0)
    ext.roi_align_backward(
        grad_output,
        rois,
        empty,
        empty,
        grad_input,
        aligned_height=3,
        aligned_width=3,
        spatial_scale=0.5,
        sampling_ratio=2,
        pool_mode=1,
        aligned=aligned,
    )
    return grad_input


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('n', [0, 1, 3])
def test_roi_align_is_the_reference(ext, n, aligned):
    x = torch.randn(2, 4, 16, 18, dtype=torch.float64, requires_grad=True)
    rois = ROIS[:n]
    expected = reference_roi_align(x, rois, 3, 0.5, 2, aligned)
    torch.testing.assert_close(forward(ext, x.detach(), rois, aligned), expected)

    grad_output = torch.randn_like(expected)
    (expected_grad,) = torch.autograd.grad((expected * grad_output).sum() + 0 * x.sum(), x)
    unset = torch.full_like(x, float('nan'))
    torch.testing.assert_close(backward(ext, grad_output, rois, unset, aligned), expected_grad)


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
def test_roi_align_of_mixed_precision(ext, dtype):
    x = torch.randn(2, 4, 16, 18)
    got = forward(ext, x.to(dtype), ROIS.to(dtype), True)
    assert got.dtype == dtype
    expected = forward(ext, x.to(dtype).float(), ROIS.to(dtype).float(), True)
    torch.testing.assert_close(got, expected.to(dtype))


def test_roi_align_by_maximum_is_refused(ext):
    with pytest.raises(mmcv_ext.MissingOpError, match="pool_mode='max'"):
        forward(ext, torch.randn(2, 4, 16, 18), ROIS.float(), True, pool_mode=0)


# --- focal loss ------------------------------------------------------------------------------


@pytest.mark.parametrize('n', [0, 1, 7])
def test_sigmoid_focal_loss_is_the_reference(ext, n):
    gamma, alpha, classes = 2.0, 0.25, 5
    x = torch.randn(n, classes, dtype=torch.float64, requires_grad=True)
    target = torch.arange(n) % (classes + 1)  # `classes` itself is background
    p, hit = x.sigmoid(), target[:, None] == torch.arange(classes)
    expected = torch.where(
        hit, -alpha * (1 - p) ** gamma * p.log(), -(1 - alpha) * p**gamma * (1 - p).log()
    )
    (expected_grad,) = torch.autograd.grad(expected.sum(), x)

    out, grad, no_weight = torch.empty_like(x), torch.empty_like(x), x.new_empty(0)
    ext.sigmoid_focal_loss_forward(x.detach(), target, no_weight, out, gamma=gamma, alpha=alpha)
    ext.sigmoid_focal_loss_backward(x.detach(), target, no_weight, grad, gamma=gamma, alpha=alpha)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(grad, expected_grad)


def test_sigmoid_focal_loss_with_class_weights_is_refused(ext):
    x = torch.randn(2, 3)
    with pytest.raises(mmcv_ext.MissingOpError, match='class weights'):
        ext.sigmoid_focal_loss_forward(x, torch.zeros(2).long(), torch.ones(3), x, 2.0, 0.25)


# --- the module ------------------------------------------------------------------------------


def test_an_unknown_op_raises_when_called_and_names_itself(ext):
    op = ext.deform_conv_forward  # resolving it is what mmcv does at import
    with pytest.raises(mmcv_ext.MissingOpError, match='deform_conv_forward') as caught:
        op(torch.zeros(1), kernel=3)
    assert 'pip install' in str(caught.value) and 'mmcv' in str(caught.value)


def test_python_sees_no_names_with_underscores(ext):
    assert not hasattr(ext, '__path__') and not hasattr(ext, '_private')


def test_install_is_idempotent_and_comes_last():
    before = list(sys.meta_path)
    mmcv_ext.install()
    assert sys.meta_path == before
    assert sum(isinstance(f, mmcv_ext.StandInFinder) for f in sys.meta_path) == 1


def test_importing_compat_loads_neither_torch_nor_mmcv():
    code = """
    import sys, nasvit_mm.compat
    print([name for name in ('torch', 'mmcv', 'mmengine') if name in sys.modules])
    """
    assert run(code).strip() == '[]'


@pytest.mark.skipif(not HAS_MMCV, reason='needs mmcv')
def test_a_compiled_module_wins(tmp_path):
    """A loader that stands earlier in meta_path, as the one for files does, is asked first."""
    code = """
    import importlib.abc, importlib.machinery, sys
    import nasvit_mm.compat
    from nasvit_mm.compat.mmcv_ext import is_stand_in

    class Compiled(importlib.abc.MetaPathFinder, importlib.abc.Loader):
        def find_spec(self, name, path=None, target=None):
            if name == 'mmcv._ext':
                return importlib.machinery.ModuleSpec(name, self)
        def exec_module(self, module):
            module.nms = 'compiled'

    sys.meta_path.insert(0, Compiled())
    nasvit_mm.compat.install()
    import mmcv._ext
    print(mmcv._ext.nms, is_stand_in(mmcv._ext))
    """
    assert run(code).split() == ['compiled', 'False']


@pytest.mark.skipif(not HAS_MMDET, reason='needs mmdet')
@pytest.mark.timeout(300)
def test_retinanet_r50_trains_and_predicts():
    code = """
    import nasvit_mm.compat
    import torch
    from mmdet.registry import MODELS
    from mmdet.structures import DetDataSample
    from mmengine import ConfigDict
    from mmengine.structures import InstanceData

    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(
        type='RetinaNet',
        data_preprocessor=dict(type='mmdet.DetDataPreprocessor'),
        backbone=dict(type='ResNet', depth=50, out_indices=(1, 2, 3)),
        neck=dict(type='FPN', in_channels=[512, 1024, 2048], out_channels=32, num_outs=5),
        bbox_head=dict(
            type='RetinaHead', num_classes=4, in_channels=32, feat_channels=32, stacked_convs=1,
            anchor_generator=dict(type='AnchorGenerator', octave_base_scale=4,
                                  scales_per_octave=3, ratios=[0.5, 1.0, 2.0],
                                  strides=[8, 16, 32, 64, 128]),
            bbox_coder=dict(type='DeltaXYWHBBoxCoder')),
        train_cfg=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4,
                          min_pos_iou=0, ignore_iof_thr=-1),
            sampler=dict(type='PseudoSampler'), allowed_border=-1, pos_weight=-1),
        test_cfg=dict(nms_pre=100, score_thr=1e-4, max_per_img=20,
                      nms=dict(type='nms', iou_threshold=0.5))))
    sample = DetDataSample(metainfo=dict(img_shape=(64, 96), ori_shape=(64, 96),
                                         pad_shape=(64, 96), scale_factor=(1.0, 1.0)))
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[8.0, 8, 40, 40]]),
                                       labels=torch.tensor([1]))
    x = torch.randn(1, 3, 64, 96)
    losses = model.loss(x, [sample])
    sum(sum(value) for value in losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    with torch.no_grad():
        found = model.eval().predict(x, [sample])[0].pred_instances
    print(sorted(losses), len(found) > 0)
    """
    assert run(code).strip().endswith("['loss_bbox', 'loss_cls'] True")
