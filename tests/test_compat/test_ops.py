"""The operations that the stand-in supplies: equal to loops and to compiled mmcv, with gradients.

A case is what mmcv's own Python function does with the operations, so that their signatures are
part of the test.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from nasvit_mm.compat import mmcv_ext
from tests.test_compat import loops

pytest.importorskip('mmcv')

import mmcv.ops  # noqa: E402

from nasvit_mm.compat import ops  # noqa: E402

MODULES = [
    module
    for module in vars(mmcv.ops).values()
    if isinstance(module, ModuleType) and hasattr(module, 'ext_module')
]
COMPILED = importlib.import_module('mmcv._ext')
NO_COMPILED = mmcv_ext.is_stand_in(COMPILED)


@pytest.fixture(autouse=True)
def supplied(monkeypatch):
    """Let mmcv's functions call what is supplied, also where this mmcv has compiled operations."""
    use(ops, monkeypatch)


def use(operations: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in MODULES:
        monkeypatch.setattr(module, 'ext_module', operations)


class Case(NamedTuple):
    """One call: a function of tensors, the tensors, and its result by loops over their numbers."""

    run: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]
    loops: Callable[..., np.ndarray]
    on: str = 'cpu cuda'  # where mmcv has a compiled kernel of it
    smooth: bool = True  # a gradient for every input
    rounds: bool = False  # mmcv keeps the places of the maxima in the dtype of the input


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def deform_conv(groups=1, offset_groups=1, stride=1, padding=1, dilation=1):
    size = tuple((n + 2 * padding - 2 * dilation - 1) // stride + 1 for n in (5, 6))
    x, w = random(2, 4, 5, 6), random(4, 4 // groups, 3, 3) - 0.5
    offset = 4 * random(2, 18 * offset_groups, *size) - 2
    pairs = [(v, v) for v in (stride, padding, dilation)]
    return Case(
        lambda x, o, w: mmcv.ops.deform_conv2d(
            x, o, w, stride, padding, dilation, groups, offset_groups
        ),
        (x, offset, w),
        lambda x, o, w: loops.deform_conv(x, o, w, None, None, *pairs, groups, offset_groups, size),
    )


def modulated_deform_conv(groups=1, offset_groups=1, bias=True, larger=0):
    x, w, b = random(2, 4, 4, 5), random(4, 4 // groups, 3, 3) - 0.5, random(4)
    size = (4 + larger, 5 + larger)
    offset = 4 * random(2, 18 * offset_groups, *size) - 2
    mask = random(2, 9 * offset_groups, *size)

    def read(maps):  # the compiled kernel takes the memory of larger maps as it lies
        return maps.reshape(2, -1)[:, : maps.shape[1] * 20].reshape(2, -1, 4, 5)

    return Case(
        lambda x, o, m, w, *b: mmcv.ops.modulated_deform_conv2d(
            x, o, m, w, *(b or [None]), 1, 1, 1, groups, offset_groups
        ),
        (x, offset, mask, w, *([b] if bias else [])),
        lambda x, o, m, w, *b: loops.deform_conv(
            x,
            read(o),
            w,
            read(m),
            *(b or [None]),
            (1, 1),
            (1, 1),
            (1, 1),
            groups,
            offset_groups,
            (4, 5),
        ),
    )


def attention():
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    shapes = [[4, 3], [2, 5]]
    return Case(
        lambda value, places, weights: MultiScaleDeformableAttnFunction.apply(
            value,
            torch.tensor(shapes).to(value.device),
            torch.tensor([0, 12]).to(value.device),
            places,
            weights,
            64,
        ),
        (random(2, 22, 2, 3), 1.4 * random(2, 5, 2, 2, 3, 2) - 0.2, random(2, 5, 2, 2, 3)),
        lambda value, places, weights: loops.attention(value, shapes, places, weights),
        'cuda',
    )


def carafe(scale=2, groups=2, function='carafe', smooth=True):
    return Case(
        lambda x, m: getattr(mmcv.ops, function)(x, m, 3, groups, scale),
        (random(2, 4, 3, 4), random(2, 9 * groups, 3 * scale, 4 * scale)),
        lambda x, m: loops.carafe(x, m, 3, groups, scale),
        'cuda',
        smooth,
    )


def psa_mask(kind, size):
    from mmcv.ops.psa_mask import psa_mask

    return Case(
        lambda x: psa_mask(x, kind, size),
        (random(2, size[0] * size[1], 4, 6),),
        lambda x: loops.psa_mask(x, kind == 1, size),
    )


ROIS = torch.tensor(
    [
        [0, 2.0, 3.0, 20.0, 25.0],
        [1, 5.5, 1.25, 12.0, 30.0],
        [1, -6.0, -4.0, 40.0, 44.0],  # beyond the map on all sides
        [0, 8.0, 8.0, 9.5, 8.5],
    ],
    dtype=torch.float64,
)


def roi_align(mode, ratio, aligned):
    reduce = np.mean if mode == 'avg' else np.max
    return Case(
        lambda x: mmcv.ops.roi_align(x, ROIS.to(x), (2, 3), 0.5, ratio, mode, aligned),
        (random(2, 2, 15, 14),),
        lambda x: loops.region(reduce, x, ROIS.numpy(), (2, 3), 0.5, ratio, aligned),
        rounds=mode == 'max',
    )


def roi_pool():
    return Case(
        lambda x: mmcv.ops.roi_pool(x, ROIS.to(x), (2, 3), 0.5),
        (random(2, 2, 15, 14) - 0.5,),
        lambda x: loops.roi_pool(x, ROIS.numpy(), (2, 3), 0.5),
        'cuda',
    )


def deform_roi_pool(ratio, offsets=True):
    rois = ROIS[[0, 1, 3]]  # beyond the border the compiled gradients are others
    return Case(
        lambda x, *o: mmcv.ops.deform_roi_pool(
            x, rois.to(x), *(o or [None]), (2, 3), 0.5, ratio, 0.1
        ),
        (random(2, 2, 15, 14), *([random(3, 2, 2, 3) - 0.5] if offsets else [])),
        lambda x, *o: loops.region(
            np.mean, x, rois.numpy(), (2, 3), 0.5, ratio, True, *(o or [None]), 0.1
        ),
        'cuda',
    )


TARGET = torch.tensor([0, 2, 1, 2, 0])


def softmax_focal_loss(gamma, weighted):
    weight = random(3) if weighted else None

    def reference(x):
        p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
        losses = [
            -0.25 * (1 - p[i, t]) ** gamma * np.log(p[i, t]) * (weight[t] if weighted else 1)
            for i, t in enumerate(TARGET.tolist())
        ]
        return np.array(losses).sum()

    return Case(
        lambda x: mmcv.ops.softmax_focal_loss(
            x, TARGET.to(x.device), gamma, 0.25, weight if weight is None else weight.to(x), 'sum'
        ),
        (4 * random(5, 3) - 2,),
        reference,
        'cuda',
    )


def sigmoid_focal_loss(weighted):
    weight = random(3) if weighted else None

    def reference(x):
        total = 0.0
        for (i, c), v in np.ndenumerate(x):
            p = 1 / (1 + np.exp(-v))
            hit = TARGET[i] == c
            loss = -0.25 * (1 - p) ** 2 * np.log(p) if hit else -0.75 * p**2 * np.log(1 - p)
            total += loss * (weight[TARGET[i]].item() if weighted else 1)
        return np.array(total)

    return Case(
        lambda x: mmcv.ops.sigmoid_focal_loss(
            x, TARGET.to(x.device), 2.0, 0.25, weight if weight is None else weight.to(x), 'sum'
        ),
        (4 * random(5, 3) - 2,),
        reference,
        'cuda',
    )


def masked_conv():
    mask = (random(1, 5, 6) > 0.5).double()
    w, b = random(3, 2, 3, 3) - 0.5, random(3)

    def reference(x):
        zeros = np.zeros((1, 18, 5, 6))
        whole = loops.deform_conv(x, zeros, w.numpy(), None, b.numpy(), *[(1, 1)] * 3, 1, 1, (5, 6))
        return whole * mask[:, None].numpy()

    return Case(
        lambda x: mmcv.ops.masked_conv2d(x, mask.to(x), w.to(x), b.to(x), 1),
        (random(1, 2, 5, 6),),
        reference,
        'cuda',
        smooth=False,  # mmcv gives it no gradient
    )


CASES = {
    'deform_conv': deform_conv(),
    'deform_conv, groups': deform_conv(groups=2, offset_groups=2, stride=2),
    'deform_conv, dilation': deform_conv(padding=2, dilation=2),
    'modulated_deform_conv': modulated_deform_conv(),
    'modulated_deform_conv, groups': modulated_deform_conv(2, 2, bias=False),
    'modulated_deform_conv, larger offset map': modulated_deform_conv(larger=2),
    'ms_deform_attn': attention(),
    'carafe': carafe(),
    'carafe, one group, x3': carafe(scale=3, groups=1),
    'carafe_naive': carafe(function='carafe_naive', smooth=False),  # its backward refuses a CPU
    'psamask, collect': psa_mask(0, (5, 3)),
    'psamask, distribute': psa_mask(1, (5, 3)),
    'psamask, larger than the map': psa_mask(0, (9, 13)),
    'roi_align': roi_align('avg', 2, True),
    'roi_align, adaptive, not aligned': roi_align('avg', 0, False),
    'roi_align, max': roi_align('max', 2, True),
    'roi_align, max, adaptive': roi_align('max', 0, True),
    'roi_align, max, not aligned': roi_align('max', 0, False),
    'roi_pool': roi_pool(),
    'deform_roi_pool': deform_roi_pool(2),
    'deform_roi_pool, adaptive': deform_roi_pool(0),
    'deform_roi_pool, no offsets': deform_roi_pool(0, offsets=False),
    'softmax_focal_loss': softmax_focal_loss(2.0, False),
    'softmax_focal_loss, weighted': softmax_focal_loss(1.5, True),
    'sigmoid_focal_loss': sigmoid_focal_loss(False),
    'sigmoid_focal_loss, weighted': sigmoid_focal_loss(True),
    'masked_conv': masked_conv(),
}
each_case = pytest.mark.parametrize('case', CASES.values(), ids=list(CASES))
ROUNDING = 1e-2  # of bfloat16, in which mmcv multiplies the columns of a masked convolution


@each_case
def test_is_the_loops(case):
    expected = case.loops(*(x.numpy() for x in case.inputs))
    torch.testing.assert_close(case.run(*case.inputs), torch.from_numpy(np.asarray(expected)))


@each_case
def test_gradients(case):
    if not case.smooth:
        pytest.skip('mmcv gives it no gradient here')
    inputs = [x.detach().requires_grad_() for x in case.inputs]
    assert torch.autograd.gradcheck(case.run, inputs, fast_mode=True, nondet_tol=1e-12)


def outcome(case, dtype, device='cpu'):
    """The result and every gradient of a case."""
    inputs = [x.detach().to(device, dtype).requires_grad_(case.smooth) for x in case.inputs]
    out = case.run(*inputs)
    if case.smooth:
        out.float().square().sum().backward()
    return [out.detach(), *(x.grad for x in inputs if case.smooth)]


@each_case
@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16], ids=str)
def test_mixed_precision(case, dtype):
    """Inside autocast, in half and bfloat16, and from maps whose memory is channels last."""
    layout = torch.channels_last if case.inputs[0].ndim == 4 else torch.contiguous_format
    first, *rest = (x.to(dtype) for x in case.inputs)
    rounded = case._replace(inputs=(first.contiguous(memory_format=layout), *rest))
    with torch.autocast('cpu', torch.bfloat16):
        results = outcome(rounded, dtype)
    references = outcome(rounded, torch.float32)
    for got, expected in zip(results[: 1 if case.rounds else None], references):
        assert got.dtype == dtype
        scale = expected.abs().max().item()
        torch.testing.assert_close(got.float(), expected, rtol=0, atol=ROUNDING * scale)


@pytest.mark.skipif(NO_COMPILED, reason='this mmcv has no compiled operations')
@each_case
@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_is_the_compiled_one(case, device, monkeypatch):
    if device not in case.on.split():
        pytest.skip('mmcv has no kernel of it for this device')
    if device == 'cuda' and not torch.cuda.is_available():
        pytest.skip('no GPU')
    ours = outcome(case, torch.float32, device)
    use(COMPILED, monkeypatch)
    torch.testing.assert_close(ours, outcome(case, torch.float32, device))


def test_attention_is_mmcvs_own_without_a_gpu():
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    case = CASES['ms_deform_attn']
    value, places, weights = case.inputs
    shapes = torch.tensor([[4, 3], [2, 5]])
    expected = multi_scale_deformable_attn_pytorch(value, shapes, places, weights)
    torch.testing.assert_close(case.run(*case.inputs), expected)


def test_an_offset_map_that_is_too_small_is_refused():
    case = modulated_deform_conv()
    x, offset, mask, *rest = case.inputs
    with pytest.raises(ValueError, match=r'\(2, 9, 2, 2\).*expected \(N, 9, 4, 5\)'):
        case.run(x, offset, mask[:, :, :2, :2], *rest)


def test_a_background_has_no_class_weight():
    with pytest.raises(ValueError, match='targets are 0 to 3, and only 0 to 2 have a weight'):
        mmcv.ops.sigmoid_focal_loss(random(2, 3), torch.tensor([0, 3]), 2.0, 0.25, random(3))


def test_ignored_targets_have_no_loss():
    logits = random(3, 4).requires_grad_()
    target = torch.tensor([-1, 2, -1])
    mmcv.ops.softmax_focal_loss(logits, target, 2.0, 0.25, None, 'sum').backward()
    loss = mmcv.ops.softmax_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    assert loss[0] == loss[2] == 0 < loss[1]
    assert logits.grad[[0, 2]].abs().sum() == 0 < logits.grad[1].abs().sum()


# --- suppression: lists of indices, no gradient


def random_boxes(n, levels=None):
    corner, size = 30 * random(n, 2), 20 * random(n, 2, seed=1) + 1
    scores = random(n, seed=2)
    if levels:  # with equal scores, of which an untrained detector has many
        scores = (scores * levels).ceil() / levels
    return torch.cat([corner, corner + size], 1).float(), scores.float()


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
@pytest.mark.parametrize('n, levels', [(0, None), (1, None), (60, None), (60, 4), (60, 1)])
@pytest.mark.parametrize('offset', [0, 1])
def test_soft_nms(method, n, levels, offset):
    boxes, scores = random_boxes(n, levels)
    options = dict(iou_threshold=0.3, sigma=0.5, min_score=0.2, method=method, offset=offset)
    dets, kept = mmcv.ops.soft_nms(boxes, scores, **options)
    expected = loops.soft_nms(
        boxes.double().tolist(), scores.double().tolist(), 0.3, 0.5, 0.2, method, offset
    )
    assert kept.tolist() == [i for i, _ in expected]
    assert n < 60 or 1 < len(kept) < n
    torch.testing.assert_close(dets[:, 4], torch.tensor([s for _, s in expected]))
    assert torch.equal(dets[:, :4], boxes[kept])


@pytest.mark.parametrize('n', [0, 1, 60])
def test_nms_match(n):
    dets = torch.cat([random_boxes(n)[0], random_boxes(n)[1][:, None]], 1)
    groups = [group.tolist() for group in mmcv.ops.nms_match(dets, 0.3)]
    assert groups == loops.nms_match(dets.tolist(), 0.3)
    assert n < 60 or 1 < len(groups) < n


@pytest.mark.skipif(NO_COMPILED, reason='this mmcv has no compiled operations')
@pytest.mark.parametrize('levels', [None, 4, 1])
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_suppression_is_the_compiled_one(monkeypatch, method, levels):
    boxes, scores = random_boxes(300, levels)
    dets = torch.cat([boxes, scores[:, None]], 1)
    results = []
    for operations in (ops, COMPILED):
        use(operations, monkeypatch)
        soft = mmcv.ops.soft_nms(boxes, scores, 0.3, 0.5, 0.2, method)
        results.append((*soft, *mmcv.ops.nms_match(dets, 0.3)))
    torch.testing.assert_close(*results)


# --- rotated boxes


ROTATED = torch.tensor(
    [
        [10.0, 10, 8, 4, 0],
        [11, 9, 8, 4, 0.5],
        [10, 10, 8, 4, 0.5 + np.pi],
        [10, 10, 4, 8, np.pi / 2],  # the first one
        [12, 10, 2, 2, 0.3],  # inside the first
        [30, 30, 5, 5, 1.0],
        [10, 10, 0, 4, 0.2],  # without area
    ]
)


def test_box_iou_rotated():
    found = mmcv.ops.box_iou_rotated(ROTATED, ROTATED)
    expected = [
        [loops.rotated_overlap(a, b) if a[2] * b[2] else 0.0 for b in ROTATED.tolist()]
        for a in ROTATED.tolist()
    ]
    torch.testing.assert_close(found, torch.tensor(expected))
    assert found[0, 3] == pytest.approx(1) and found[0, 5] == 0 < found[0, 1] < 1
    pairs = mmcv.ops.box_iou_rotated(ROTATED, ROTATED.flip(0), aligned=True)
    torch.testing.assert_close(pairs, found.flip(1).diagonal())
    first = mmcv.ops.box_iou_rotated(ROTATED, ROTATED, mode='iof')
    assert first[4, 0] == pytest.approx(1) and first[0, 4] == pytest.approx(4 / 32)


def test_nms_rotated():
    scores = torch.tensor([0.5, 0.9, 0.3, 0.8, 0.7, 0.2, 0.1])
    dets, kept = mmcv.ops.nms_rotated(ROTATED, scores, 0.3)
    order, expected = scores.argsort(descending=True).tolist(), []
    overlaps = mmcv.ops.box_iou_rotated(ROTATED, ROTATED)
    for i in order:
        if not any(overlaps[i, k] >= 0.3 for k in expected):
            expected.append(i)
    assert kept.tolist() == expected and 1 < len(kept) < len(ROTATED)
    assert torch.equal(dets, torch.cat([ROTATED, scores[:, None]], 1)[kept])
    labels = torch.arange(7.0)
    assert len(mmcv.ops.nms_rotated(ROTATED, scores, 0.3, labels)[1]) == len(ROTATED)


@pytest.mark.skipif(NO_COMPILED, reason='this mmcv has no compiled operations')
def test_rotated_boxes_are_the_compiled_ones(monkeypatch):
    boxes = torch.cat([random_boxes(40)[0][:, :2], 10 * random(40, 3).float() + 1], 1)
    scores = random_boxes(40)[1]
    results = []
    for operations in (ops, COMPILED):
        use(operations, monkeypatch)
        overlaps = mmcv.ops.box_iou_rotated(boxes, boxes)
        results.append((overlaps, mmcv.ops.nms_rotated(boxes, scores, 0.2)[1]))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


# --- the table


def declared() -> dict[str, list[str]]:
    """The arguments of every compiled operation, from the sources that mmcv ships."""
    sources = Path(mmcv.ops.__file__).parent / 'csrc' / 'pytorch' / 'pybind.cpp'
    if not sources.exists():
        pytest.skip('this mmcv ships no sources')
    calls = re.finditer(r'm\.def\(\s*"(\w+)"(.*?)\);', sources.read_text(), re.S)
    return {call[1]: re.findall(r'py::arg\("(\w+)"\)', call[2]) for call in calls}


def test_signatures_are_mmcvs():
    ours = {name: list(inspect.signature(getattr(ops, name)).parameters) for name in ops.__all__}
    theirs = declared()
    assert ours == {name: theirs[name] for name in ours}
